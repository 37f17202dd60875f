//! One condition of a statement: an operator, a key, and values.

use super::operator::{self, Test};
use super::{ConditionKey, Context};

/// A condition that can be decided.
pub(super) struct Condition {
    key: ConditionKey,
    check: Check,
}

enum Check {
    /// `Null`: whether the request lacks the key.
    Absent(bool),
    Compare {
        test: Test,
        negated: bool,
        quantifier: Quantifier,
        /// `…IfExists`: holds where the request lacks the key.
        if_exists: bool,
    },
}

/// What is asked of a key with several values.
#[derive(Clone, Copy)]
enum Quantifier {
    /// Nothing was said: the test holds for any value; a negated one, for none.
    Plain,
    /// `ForAnyValue:`.
    Any,
    /// `ForAllValues:`.
    All,
}

impl Condition {
    /// Reads an operator with its prefix and suffix, a key, and values.
    ///
    /// # Errors
    /// With what is wrong.
    pub(super) fn parse(operator: &str, key: &str, values: &[String]) -> Result<Self, String> {
        let (quantifier, rest) = match operator.split_once(':') {
            None => (Quantifier::Plain, operator),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(_) => return Err("the operator is unknown".into()),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let key = ConditionKey::parse(key);
        if operator == "Null" {
            let [value] = values else { return Err("Null takes one value: true or false".into()) };
            return Ok(Self { key, check: Check::Absent(operator::flag(value)?) });
        }
        let (test, negated) = Test::parse(name, values).ok_or("the operator is unknown")??;
        Ok(Self { key, check: Check::Compare { test, negated, quantifier, if_exists } })
    }

    /// Whether the condition holds for a request.
    pub(super) fn holds(&self, context: &dyn Context) -> bool {
        let mut present = false;
        match &self.check {
            Check::Absent(wanted) => {
                context.visit(&self.key, &mut |_| present = true);
                present != *wanted
            }
            Check::Compare { test, negated, quantifier, if_exists } => {
                let (mut any_met, mut all_met) = (false, true);
                let each_negated = *negated && !matches!(quantifier, Quantifier::Plain);
                context.visit(&self.key, &mut |value| {
                    present = true;
                    let met = test.is_met_by(value) != each_negated;
                    any_met |= met;
                    all_met &= met;
                });
                match quantifier {
                    Quantifier::Plain if present => any_met != *negated,
                    Quantifier::Plain => *if_exists || *negated,
                    Quantifier::Any if present => any_met,
                    Quantifier::Any => *if_exists,
                    Quantifier::All => all_met,
                }
            }
        }
    }
}
