//! Policy documents: how they are read, and what each says of a request.

use super::condition::{self, Condition};
use super::decision::Request;
use super::effort::Effort;
use super::error::{PolicyError, shown};
use super::json::Json;
use super::pattern::{Case, Pattern};
use super::principal::{Meant, Principals};
use super::strict;
use super::truth::Truth;

/// Statements in a document.
const MAX_STATEMENTS: usize = 256;
/// Entries in a list of actions, resources, principals or values.
const MAX_ENTRIES: usize = 1024;
/// Bytes of one action, resource, principal, key or value.
const MAX_TEXT: usize = 2048;
/// Bytes of a statement's id.
const MAX_SID: usize = 128;

/// What a document is attached to; it decides how long it may be and which elements belong in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// To users, groups and roles.
    Identity,
    /// To one session of a role.
    Session,
    /// To a key.
    Key,
    /// To a role: who may assume it.
    Trust,
}

impl PolicyKind {
    /// Bytes that a document may have.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Identity => 6144,
            Self::Session => 2048,
            Self::Key => 32_768,
            Self::Trust => 4096,
        }
    }

    /// Whether statements say whom they speak of; the others speak of whom they are attached to.
    const fn names_principals(self) -> bool {
        match self {
            Self::Identity | Self::Session => false,
            Self::Key | Self::Trust => true,
        }
    }
}

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allows, unless another statement denies.
    Allow,
    /// Denies, whatever else allows.
    Deny,
}

/// A policy that can be asked.
pub struct Policy {
    statements: Box<[Statement]>,
}

struct Statement {
    sid: Option<Box<str>>,
    effect: Effect,
    actions: Patterns,
    /// None in a trust policy, which is about its role.
    resources: Option<Patterns>,
    principals: Option<Principals>,
    conditions: Box<[Condition]>,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing, which is not enough.
    Nothing,
    /// The statement of this number, counted from 1, allows it, and none denies it.
    Allow(usize),
    /// The statement of this number, counted from 1, denies it.
    Deny(usize),
    /// The statement of this number, counted from 1, denies, and it can't be told whether it speaks of this: so it is denied.
    Undecided(usize),
    /// At the statement of this number, counted from 1, the decision has taken more than one may: so it is denied.
    TooMuch(usize),
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is not a policy of that kind: a sentence that says where it is wrong and what is.
    pub fn parse(document: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        if document.len() > kind.max_bytes() {
            let problem = format!("it has {} bytes, more than {}", document.len(), kind.max_bytes());
            return Err(PolicyError::new("the policy", problem));
        }
        let elements = elements(document)?;
        strict::check(&elements)?;
        let mut doubt = None;
        let policy = Self::of(elements, kind, &mut doubt)?;
        doubt.map_or(Ok(policy), Err)
    }

    /// Reads a document that was accepted once: earlier versions refused less. What a new document may not say can't be
    /// evaluated, and so denies where a `Deny` says it, and allows nothing where an `Allow` does.
    ///
    /// # Errors
    /// As [`Self::parse`], for what was never accepted.
    pub fn parse_stored(document: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        Self::of(elements(document)?, kind, &mut None)
    }

    /// Checks that each statement of a document covers the resource that it is attached to. One that does not would never apply, whatever
    /// it seems to deny.
    ///
    /// # Errors
    /// With the statement that does not.
    pub fn check_attached(document: &str, kind: PolicyKind, resource: &str) -> Result<(), PolicyError> {
        let policy = Self::parse(document, kind)?;
        let elsewhere = |statement: &Statement| {
            !statement.resources.as_ref().is_none_or(|all| all.match_any(resource, &Effort::default()))
        };
        match policy.statements.iter().position(elsewhere) {
            None => Ok(()),
            Some(at) => Err(PolicyError::new(
                &format!("statement {}, Resource", at + 1),
                format!(
                    "it does not cover {resource}, which the policy is attached to, so it would never apply; write \"*\""
                ),
            )),
        }
    }

    /// A policy in the place of one that can't be read: it may have denied anything.
    pub(crate) fn denying_everything() -> Self {
        // All actions but none.
        let actions = Patterns { patterns: Box::default(), negated: true };
        let everything = Statement {
            sid: None,
            effect: Effect::Deny,
            actions,
            resources: None,
            principals: None,
            conditions: Box::default(),
        };
        Self { statements: [everything].into() }
    }

    /// `doubt` becomes the first reason to refuse the document if it is new.
    fn of(
        elements: Vec<(String, Json)>,
        kind: PolicyKind,
        doubt: &mut Option<PolicyError>,
    ) -> Result<Self, PolicyError> {
        let (mut version, mut statements) = (false, None);
        for (name, value) in elements {
            match (name.as_str(), value) {
                ("Version", Json::Scalar(text) | Json::Inexact(text)) if text == "1" => version = true,
                ("Version", _) => return Err(PolicyError::new("Version", "it must be \"1\"")),
                ("Statement", Json::List(list)) => statements = Some(list),
                ("Statement", single @ Json::Object(_)) => statements = Some(vec![single]),
                ("Statement", _) => return Err(PolicyError::new("Statement", "it must be a list of statements")),
                _ => {
                    let problem = format!("it has Version and Statement, but not {}", shown(&name));
                    return Err(PolicyError::new("the policy", problem));
                }
            }
        }
        let statements = statements.ok_or_else(|| PolicyError::new("the policy", "it has no Statement"))?;
        if !version {
            return Err(PolicyError::new("the policy", "it has no Version; it must be \"1\""));
        }
        if statements.is_empty() || statements.len() > MAX_STATEMENTS {
            return Err(PolicyError::new("Statement", format!("there must be 1 to {MAX_STATEMENTS} statements")));
        }
        let read = |(at, json)| Statement::parse(json, &format!("statement {}", at + 1), kind, doubt);
        let statements = statements.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// What the policy says of a request.
    pub fn say(&self, request: &Request<'_>) -> Said {
        self.say_to(request, Meant::ByAccount)
    }

    /// As [`Self::say`], where a statement allows only callers that it means at least so.
    pub(super) fn say_to(&self, request: &Request<'_>, at_least: Meant) -> Said {
        let mut said = Said::Nothing;
        for (at, statement) in self.statements.iter().enumerate() {
            let applies = match statement.effect {
                Effect::Deny => statement.applies(request, Meant::ByAccount),
                Effect::Allow if said == Said::Nothing => statement.applies(request, at_least),
                Effect::Allow => continue,
            };
            match (statement.effect, applies) {
                // What was compared last was not compared to its end.
                _ if request.effort.is_spent() => return Said::TooMuch(at + 1),
                (Effect::Deny, Truth::Yes) => return Said::Deny(at + 1),
                (Effect::Deny, Truth::Unknown) => return Said::Undecided(at + 1),
                (Effect::Allow, Truth::Yes) => said = Said::Allow(at + 1),
                (Effect::Deny, Truth::No) | (Effect::Allow, Truth::No | Truth::Unknown) => {}
            }
        }
        said
    }

    /// The id of the statement of that number, counted from 1, if it has one.
    pub fn sid(&self, statement: usize) -> Option<&str> {
        self.statements.get(statement.checked_sub(1)?)?.sid.as_deref()
    }
}

impl Statement {
    fn parse(json: Json, place: &str, kind: PolicyKind, doubt: &mut Option<PolicyError>) -> Result<Self, PolicyError> {
        let wrong = |problem: String| PolicyError::new(place, problem);
        let Json::Object(elements) = json else { return Err(wrong("it must be a JSON object".into())) };
        let (mut sid, mut effect, mut actions, mut resources) = (None, None, None, None);
        let (mut principals, mut conditions) = (None, Box::default());
        for (name, value) in elements {
            let at = format!("{place}, {name}");
            let twice = match name.as_str() {
                "Sid" => {
                    sid = Some(parse_sid(value, &at)?);
                    false
                }
                "Effect" => {
                    effect = Some(match value {
                        Json::Scalar(text) if text == "Allow" => Effect::Allow,
                        Json::Scalar(text) if text == "Deny" => Effect::Deny,
                        _ => return Err(PolicyError::new(&at, "it must be \"Allow\" or \"Deny\"")),
                    });
                    false
                }
                "Action" | "NotAction" => {
                    actions.replace(Patterns::actions(value, name == "NotAction", &at)?).is_some()
                }
                "Resource" | "NotResource" => {
                    resources.replace(Patterns::resources(value, name == "NotResource", &at)?).is_some()
                }
                "Principal" | "NotPrincipal" if kind.names_principals() => {
                    principals.replace(parse_principals(value, name == "NotPrincipal", &at)?).is_some()
                }
                "Principal" | "NotPrincipal" => {
                    return Err(PolicyError::new(&at, "it is allowed only in key policies and trust policies"));
                }
                "Condition" => {
                    conditions = parse_conditions(value, &at, doubt)?;
                    false
                }
                _ => return Err(wrong(format!("{} is not an element of a statement", shown(&name)))),
            };
            if twice {
                return Err(PolicyError::new(&at, "a statement can't contain both an element and its negation"));
            }
        }
        let effect = effect.ok_or_else(|| wrong("it has no Effect".into()))?;
        let actions = actions.ok_or_else(|| wrong("it has neither Action nor NotAction".into()))?;
        if resources.is_none() && kind != PolicyKind::Trust {
            return Err(wrong("it has neither Resource nor NotResource".into()));
        }
        if principals.is_none() && kind.names_principals() {
            return Err(wrong("it has neither Principal nor NotPrincipal".into()));
        }
        Ok(Self { sid, effect, actions, resources, principals, conditions })
    }

    /// What is cheapest and rules out most comes first.
    fn applies(&self, request: &Request<'_>, at_least: Meant) -> Truth {
        let effort = &request.effort;
        let covered = self.actions.match_any(request.action, effort)
            && self.resources.as_ref().is_none_or(|resources| resources.match_any(request.resource, effort));
        if !covered {
            return Truth::No;
        }
        let mut applies =
            match self.principals.as_ref().map(|principals| principals.mean(&request.caller, self.effect, effort)) {
                None => Truth::Yes,
                Some(meant) if meant >= at_least => Truth::Yes,
                Some(Meant::Perhaps) => Truth::Unknown,
                Some(_) => Truth::No,
            };
        for condition in &self.conditions {
            if applies == Truth::No {
                break;
            }
            applies = applies.min(condition.holds(request.context, effort));
        }
        applies
    }
}

/// `Action`, `Resource` or their opposites.
struct Patterns {
    patterns: Box<[Pattern]>,
    negated: bool,
}

impl Patterns {
    fn actions(json: Json, negated: bool, place: &str) -> Result<Self, PolicyError> {
        let well_formed =
            |text: &str| text == "*" || text.split_once(':').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        Self::parse(json, negated, place, Case::Insensitive, well_formed, "<service>:<action> or *")
    }

    fn resources(json: Json, negated: bool, place: &str) -> Result<Self, PolicyError> {
        let well_formed = |text: &str| text == "*" || text.starts_with("acs:");
        Self::parse(
            json,
            negated,
            place,
            Case::Sensitive,
            well_formed,
            "acs:<service>:<region>:<account>:<resource> or *",
        )
    }

    fn parse(
        json: Json,
        negated: bool,
        place: &str,
        case: Case,
        well_formed: impl Fn(&str) -> bool,
        form: &str,
    ) -> Result<Self, PolicyError> {
        let read = |text: String| {
            if !well_formed(&text) {
                return Err(PolicyError::new(place, format!("{} is not of the form {form}", shown(&text))));
            }
            Pattern::new(&text, case).map_err(|problem| PolicyError::new(place, format!("{}: {problem}", shown(&text))))
        };
        let patterns = texts(json, place)?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { patterns, negated })
    }

    fn match_any(&self, text: &str, effort: &Effort) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, effort)) != self.negated
    }
}

/// The elements of a document.
fn elements(document: &str) -> Result<Vec<(String, Json)>, PolicyError> {
    let json: Json = serde_json::from_str(document)
        .map_err(|error| PolicyError::new("the policy", format!("it is not valid JSON: {error}")))?;
    match json {
        Json::Object(elements) => Ok(elements),
        _ => Err(PolicyError::new("the policy", "it must be a JSON object")),
    }
}

fn parse_sid(json: Json, place: &str) -> Result<Box<str>, PolicyError> {
    match json {
        Json::Scalar(sid) | Json::Inexact(sid) if sid.len() <= MAX_SID && !sid.contains(char::is_control) => {
            Ok(sid.into())
        }
        _ => {
            Err(PolicyError::new(place, format!("it must be a string of at most {MAX_SID} bytes without line breaks")))
        }
    }
}

fn parse_principals(json: Json, negated: bool, place: &str) -> Result<Principals, PolicyError> {
    let wrong = |problem: String| PolicyError::new(place, problem);
    let kinds = match json {
        Json::Scalar(text) if text == "*" => vec![("RAM".to_owned(), vec![text])],
        Json::Object(kinds) if !kinds.is_empty() => {
            let read = |(kind, names)| texts(names, &format!("{place}, {kind}")).map(|names| (kind, names));
            kinds.into_iter().map(read).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(wrong(
                "it must be \"*\" or an object such as {\"RAM\": [\"acs:ram::<account id>:user/<name>\"]}".into(),
            ));
        }
    };
    let entries: Vec<_> =
        kinds.iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind.as_str(), name.as_str()))).collect();
    Principals::parse(&entries, negated).map_err(wrong)
}

fn parse_conditions(json: Json, place: &str, doubt: &mut Option<PolicyError>) -> Result<Box<[Condition]>, PolicyError> {
    let Json::Object(operators) = json else { return Err(PolicyError::new(place, "it must be a JSON object")) };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let at = format!("{place}, {}", operator.chars().take(MAX_SID).collect::<String>());
        let Json::Object(keys) = keys else {
            return Err(PolicyError::new(&at, "it must be an object of condition keys and their values"));
        };
        for (key, values) in keys {
            if key.is_empty() || key.len() > MAX_TEXT {
                return Err(PolicyError::new(&at, format!("a condition key has 1 to {MAX_TEXT} bytes")));
            }
            let at = format!("{at}, {}", shown(&key));
            let inexact = match &values {
                Json::List(list) => list.iter().any(Json::is_inexact),
                single => single.is_inexact(),
            };
            let values = texts(values, &at)?;
            let read = Condition::parse(&operator, &key, &values, inexact);
            let condition::Read { condition, doubt: problem } =
                read.map_err(|problem| PolicyError::new(&at, problem))?;
            if doubt.is_none() {
                *doubt = problem.map(|problem| PolicyError::new(&at, problem));
            }
            conditions.push(condition);
        }
    }
    Ok(conditions.into())
}

/// One text or a list of them.
fn texts(json: Json, place: &str) -> Result<Vec<String>, PolicyError> {
    let list = match json {
        Json::List(list) => list,
        single => vec![single],
    };
    if list.is_empty() || list.len() > MAX_ENTRIES {
        return Err(PolicyError::new(place, format!("it must have 1 to {MAX_ENTRIES} entries")));
    }
    let read = |entry| match entry {
        Json::Scalar(text) | Json::Inexact(text) if text.len() <= MAX_TEXT => Ok(text),
        Json::Scalar(_) | Json::Inexact(_) => {
            Err(PolicyError::new(place, format!("an entry has more than {MAX_TEXT} bytes")))
        }
        Json::Null | Json::List(_) | Json::Object(_) => {
            Err(PolicyError::new(place, "it must be a string or a list of strings"))
        }
    };
    list.into_iter().map(read).collect()
}
