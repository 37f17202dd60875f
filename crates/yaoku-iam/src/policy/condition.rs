//! One condition of a statement: an operator, a key, and values.

use super::condition_operator::{self, Test};
use super::effort::Effort;
use super::error::shown;
use super::truth::Truth;
use super::{ConditionKey, Context};

/// A condition that can be asked of a request.
pub(super) struct Condition {
    key: ConditionKey,
    check: Check,
}

/// A condition that was read, and why it can't be meant as it is, if so.
pub(super) struct Read {
    pub(super) condition: Condition,
    /// New documents are refused for it.
    pub(super) doubt: Option<String>,
}

enum Check {
    /// Nothing can be told of any request.
    Never,
    /// `Null`: whether the request lacks the key.
    Absent(bool),
    Compare {
        test: Test,
        /// Whether the test could never be met, so that it can't be told what it is meant to say where it isn't.
        doubtful: bool,
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
    /// Reads an operator with its prefix and suffix, a key, and values; `inexact` if some of them are numbers that may have been
    /// written otherwise than they are here.
    ///
    /// # Errors
    /// With what is wrong.
    pub(super) fn parse(operator: &str, key: &str, values: &[String], inexact: bool) -> Result<Read, String> {
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
        let parsed = ConditionKey::parse(key);
        let (check, contradiction) = if operator == "Null" {
            let [value] = values else { return Err("Null takes one value: true or false".into()) };
            (Check::Absent(condition_operator::flag(value)?), None)
        } else {
            let (test, negated) = Test::parse(name, values).ok_or("the operator is unknown")??;
            let contradiction = test.contradicts(&parsed);
            let doubtful = contradiction.is_some();
            (Check::Compare { test, doubtful, negated, quantifier, if_exists }, contradiction)
        };
        let unknown = || format!("the condition key {} is not supported", shown(key));
        let doubt = (!parsed.is_known()).then(unknown).or(contradiction);
        let is_read = parsed.is_known() && !(inexact && check.needs_exact(values));
        let check = if is_read { check } else { Check::Never };
        Ok(Read { condition: Self { key: parsed, check }, doubt })
    }

    /// Whether the condition holds for a request.
    pub(super) fn holds(&self, context: &dyn Context, effort: &Effort) -> Truth {
        let mut present = false;
        match &self.check {
            Check::Never => Truth::Unknown,
            Check::Absent(wanted) => {
                context.visit(&self.key, &mut |_| present = true);
                (present != *wanted).into()
            }
            Check::Compare { test, doubtful, negated, quantifier, if_exists } => {
                let (mut any_met, mut all_met) = (Truth::No, Truth::Yes);
                let each_negated = *negated && !matches!(quantifier, Quantifier::Plain);
                context.visit(&self.key, &mut |value| {
                    present = true;
                    let met = match test.is_met_by(value, effort) {
                        Truth::No if *doubtful => Truth::Unknown,
                        met => met,
                    };
                    let met = met.not_if(each_negated);
                    any_met = any_met.max(met);
                    all_met = all_met.min(met);
                });
                match quantifier {
                    Quantifier::Plain if present => any_met.not_if(*negated),
                    Quantifier::Plain => (*if_exists || *negated).into(),
                    Quantifier::Any if present => any_met,
                    Quantifier::Any => (*if_exists).into(),
                    Quantifier::All => all_met,
                }
            }
        }
    }
}

impl Check {
    /// Whether it compares with how a number was written, or with more digits than a number that was read has for sure.
    fn needs_exact(&self, values: &[String]) -> bool {
        /// Decimal digits that a floating-point number keeps.
        const DIGITS: usize = f64::DIGITS as usize;
        match self {
            Self::Never => false,
            Self::Compare { test: Test::Number(..), .. } => {
                values.iter().any(|value| value.bytes().filter(u8::is_ascii_digit).count() > DIGITS)
            }
            Self::Absent(_) | Self::Compare { .. } => true,
        }
    }
}
