//! What a new document may not have, though documents of earlier versions do: it means something else than it seems to.

use super::error::PolicyError;
use super::json::Json;

/// Checks a document's elements.
pub(super) fn check(elements: &[(String, Json)]) -> Result<(), PolicyError> {
    for (_, value) in elements.iter().filter(|(name, _)| name == "Statement") {
        let statements = match value {
            Json::List(list) => &list[..],
            single => std::slice::from_ref(single),
        };
        for (at, statement) in statements.iter().enumerate() {
            if let Json::Object(elements) = statement {
                check_statement(elements, &format!("statement {}", at + 1))?;
            }
        }
    }
    Ok(())
}

fn check_statement(elements: &[(String, Json)], place: &str) -> Result<(), PolicyError> {
    for (name, value) in elements {
        let at = format!("{place}, {name}");
        if has(value, &|json| matches!(json, Json::Inexact(_))) {
            let problem =
                "a number with a decimal point, an exponent or many digits must be written as a string, in quotes";
            return Err(PolicyError::new(&at, problem));
        }
        match (name.as_str(), value) {
            ("Condition", Json::Object(operators)) => {
                let empty = |keys: &Json| matches!(keys, Json::Object(keys) if keys.is_empty());
                if let Some((operator, _)) = operators.iter().find(|(_, keys)| empty(keys)) {
                    let problem = "it must have a condition key: without one, it would always hold";
                    return Err(PolicyError::new(&format!("{at}, {}", super::error::shown(operator)), problem));
                }
            }
            ("Principal" | "NotPrincipal", value) => {
                let session = |json: &Json| matches!(json, Json::Scalar(text) if text.contains(":assumed-role/"));
                if has(value, &session) {
                    let problem = "name the session's role instead, acs:ram::<account id>:role/<name>; assumed-role/ matches no principal";
                    return Err(PolicyError::new(&at, problem));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a value, or one within it, is such a one. The JSON reader bounds the depth.
fn has(json: &Json, is_it: &impl Fn(&Json) -> bool) -> bool {
    is_it(json)
        || match json {
            Json::List(list) => list.iter().any(|json| has(json, is_it)),
            Json::Object(entries) => entries.iter().any(|(_, json)| has(json, is_it)),
            Json::Null | Json::Scalar(_) | Json::Inexact(_) => false,
        }
}
