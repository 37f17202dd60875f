//! What a new document may not have, though documents of earlier versions do: it means something else than it seems to.

use super::error::{PolicyError, shown};
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
        if has(value, &Json::is_inexact) {
            let problem =
                "a number with a decimal point, an exponent or many digits must be written as a string, in quotes";
            return Err(PolicyError::new(&at, problem));
        }
        match (name.as_str(), value) {
            ("Action" | "NotAction", value) => {
                let used = |byte: u8| byte.is_ascii_alphanumeric() || b":*?-_.".contains(&byte);
                if let Some(text) = find(value, &|text| !text.bytes().all(used)) {
                    let problem = format!("{} has a character that no action's name has", shown(text));
                    return Err(PolicyError::new(&at, problem));
                }
            }
            ("Resource" | "NotResource", value) => {
                let short = |text: &str| !text.contains(['*', '?']) && text.split(':').count() < 5;
                let blank = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
                if let Some(text) = find(value, &|text| short(text) || blank(text)) {
                    let form = "acs:<service>:<region>:<account id>:<resource>, without spaces";
                    return Err(PolicyError::new(&at, format!("{} is not of the form {form}", shown(text))));
                }
            }
            ("Condition", Json::Object(operators)) => {
                let empty = |keys: &Json| matches!(keys, Json::Object(keys) if keys.is_empty());
                if let Some((operator, _)) = operators.iter().find(|(_, keys)| empty(keys)) {
                    let problem = "it must have a condition key: without one, it would always hold";
                    return Err(PolicyError::new(&format!("{at}, {}", shown(operator)), problem));
                }
            }
            ("Principal" | "NotPrincipal", value) if find(value, &|text| text.contains(":assumed-role/")).is_some() => {
                let problem = "name the session's role instead, acs:ram::<account id>:role/<name>; assumed-role/ matches no principal";
                return Err(PolicyError::new(&at, problem));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The first text of a value that is such a one.
fn find<'a>(json: &'a Json, is_it: &impl Fn(&str) -> bool) -> Option<&'a str> {
    match json {
        Json::Scalar(text) => is_it(text).then_some(text),
        Json::List(list) => list.iter().find_map(|json| find(json, is_it)),
        Json::Object(entries) => entries.iter().find_map(|(_, json)| find(json, is_it)),
        Json::Inexact(_) | Json::Null => None,
    }
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
