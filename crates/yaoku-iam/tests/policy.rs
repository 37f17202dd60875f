//! The policy engine against an evaluator written as plainly as possible over the JSON itself.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use yaoku_iam::AccountId;
use yaoku_iam::policy::{
    Attached, Caller, ConditionKey, Context, Effort, Policies, Policy, PolicyKind, Request, Said, Value,
};

/// What a request has: keys with their values as texts, as the language defines them.
#[derive(Debug, Clone)]
struct Asked {
    action: String,
    resource: String,
    user: &'static str,
    address: Option<IpAddr>,
    tls: Option<bool>,
    time: Option<u64>,
    tag: Vec<String>,
}

impl Context for Asked {
    fn visit(&self, key: &ConditionKey, see: &mut dyn FnMut(Value<'_>)) {
        match key {
            ConditionKey::SourceIp => self.address.into_iter().for_each(|address| see(Value::Address(address))),
            ConditionKey::SecureTransport => self.tls.into_iter().for_each(|tls| see(Value::Flag(tls))),
            ConditionKey::CurrentTime => self.time.into_iter().for_each(|time| see(Value::Time(time))),
            ConditionKey::ResourceTag(name) if **name == *"t" => self.tag.iter().for_each(|tag| see(Value::Text(tag))),
            _ => {}
        }
    }
}

impl Asked {
    fn values(&self, key: &str) -> Vec<String> {
        match key {
            "acs:SourceIp" => self.address.iter().map(ToString::to_string).collect(),
            "acs:SecureTransport" => self.tls.iter().map(ToString::to_string).collect(),
            "acs:CurrentTime" => self.time.iter().map(|time| seconds_to_text(time / 1000)).collect(),
            "kms:tag/t" => self.tag.clone(),
            _ => Vec::new(),
        }
    }

    fn request<'a>(&'a self, arn: &'a str, account: AccountId) -> Request<'a> {
        let caller = Caller { account, arn };
        Request { action: &self.action, resource: &self.resource, caller, context: self, effort: Effort::default() }
    }
}

const ACCOUNT: &str = "1000000000000001";
const OTHER: &str = "1000000000000002";

/// Times of one day only, so that the plain evaluator needs no calendar.
fn seconds_to_text(seconds: u64) -> String {
    format!("1970-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn wildcard(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((&'*', rest)), None) => wildcard(rest, text),
        (Some((&'*', rest)), Some((_, later))) => wildcard(rest, text) || wildcard(pattern, later),
        (Some((wanted, rest)), Some((found, later))) => (*wanted == '?' || wanted == found) && wildcard(rest, later),
        _ => false,
    }
}

fn like(pattern: &str, text: &str) -> bool {
    wildcard(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

fn list(json: &Json) -> Vec<String> {
    match json {
        Json::Array(list) => list.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

/// Whether something is so; none where that can't be told.
type Told = Option<bool>;

/// As "or": so if one is so, whatever is unknown of the others.
fn any_told(told: impl IntoIterator<Item = Told>) -> Told {
    let told: Vec<_> = told.into_iter().collect();
    if told.contains(&Some(true)) {
        return Some(true);
    }
    if told.contains(&None) { None } else { Some(false) }
}

/// As "and".
fn all_told(told: impl IntoIterator<Item = Told>) -> Told {
    not(any_told(told.into_iter().map(not)))
}

fn not(told: Told) -> Told {
    told.map(|told| !told)
}

/// One value of the policy against one of the request, by an operator that is not negated; none where the request's value is
/// not of the operator's kind.
fn agrees(operator: &str, wanted: &str, found: &str) -> Told {
    let number = |compare: fn(i64, i64) -> bool| Some(compare(found.parse().ok()?, wanted.parse().unwrap()));
    // Times of one form and length sort as texts.
    let date = |compare: fn(&str, &str) -> bool| (found.len() == 20).then(|| compare(found, wanted));
    match operator {
        "StringEquals" => Some(wanted == found),
        "StringEqualsIgnoreCase" => Some(wanted.to_lowercase() == found.to_lowercase()),
        "StringLike" => Some(like(wanted, found)),
        "Bool" => matches!(found, "true" | "false").then(|| found == wanted),
        "NumericEquals" => number(|found, wanted| found == wanted),
        "NumericLessThan" => number(|found, wanted| found < wanted),
        "NumericLessThanEquals" => number(|found, wanted| found <= wanted),
        "NumericGreaterThan" => number(|found, wanted| found > wanted),
        "NumericGreaterThanEquals" => number(|found, wanted| found >= wanted),
        "DateEquals" => date(|found, wanted| found == wanted),
        "DateLessThan" => date(|found, wanted| found < wanted),
        "DateLessThanEquals" => date(|found, wanted| found <= wanted),
        "DateGreaterThan" => date(|found, wanted| found > wanted),
        "DateGreaterThanEquals" => date(|found, wanted| found >= wanted),
        "IpAddress" => {
            let as_number = |text: &str| text.parse::<std::net::Ipv4Addr>().ok().map(u32::from);
            let found = as_number(found)?;
            // A block of IPv6 has every address of IPv4 in it, in another form.
            if wanted == "::/0" {
                return None;
            }
            let (network, bits) = wanted.split_once('/').unwrap_or((wanted, "32"));
            let shift = 32 - bits.parse::<u32>().unwrap();
            let cut = |number: u32| u64::from(number) >> shift;
            Some(cut(found) == cut(as_number(network).unwrap()))
        }
        other => panic!("{other}"),
    }
}

/// Whether a request can have a value under the key that agrees with this one, as far as the form of both tells.
fn is_possible(operator: &str, key: &str, wanted: &str) -> bool {
    let of =
        |others: &str| wanted.chars().all(|one| one.is_ascii_digit() || "*?".contains(one) || others.contains(one));
    match (key, operator) {
        ("kms:tag/t" | "x:y", _) | ("acs:SourceIp", "IpAddress") | ("acs:SecureTransport", "Bool") => true,
        ("acs:CurrentTime", operator) if operator.starts_with("Date") => true,
        ("acs:SourceIp", "StringLike") => of("abcdef:."),
        ("acs:CurrentTime", "StringLike") => of("-:TZ"),
        // No text that is tried here is an address or a time.
        ("acs:SecureTransport", operator) if operator.starts_with("String") => {
            ["true", "false"].iter().any(|flag| agrees(operator, wanted, flag) == Some(true))
        }
        _ => false,
    }
}

fn condition_holds(operator: &str, key: &str, wanted: &[String], found: &[String]) -> Told {
    if key == "kms:unheard" {
        return None;
    }
    if operator == "Null" {
        return Some(found.is_empty() == (wanted[0] == "true"));
    }
    let (quantifier, rest) = operator.split_once(':').unwrap_or(("", operator));
    let plain = rest.trim_end_matches("IfExists");
    let if_exists = plain != rest;
    let (positive, negated) = match plain {
        "StringNotEquals" => ("StringEquals", true),
        "StringNotEqualsIgnoreCase" => ("StringEqualsIgnoreCase", true),
        "StringNotLike" => ("StringLike", true),
        "NumericNotEquals" => ("NumericEquals", true),
        "DateNotEquals" => ("DateEquals", true),
        "NotIpAddress" => ("IpAddress", true),
        other => (other, false),
    };
    // What could never be so was meant to say something else, and nobody can tell what.
    let doubtful = !wanted.iter().all(|wanted| is_possible(positive, key, wanted));
    let met = |found: &String| match any_told(wanted.iter().map(|wanted| agrees(positive, wanted, found))) {
        Some(false) if doubtful => None,
        told => told,
    };
    let met_as_meant = |found: &String| if negated { not(met(found)) } else { met(found) };
    match quantifier {
        "ForAllValues" => all_told(found.iter().map(met_as_meant)),
        "ForAnyValue" if found.is_empty() => Some(if_exists),
        "ForAnyValue" => any_told(found.iter().map(met_as_meant)),
        _ if found.is_empty() => Some(if_exists || negated),
        _ if negated => not(any_told(found.iter().map(met))),
        _ => any_told(found.iter().map(met)),
    }
}

fn in_element(statement: &Json, name: &str, matches: impl Fn(&str) -> bool) -> bool {
    match statement.get(name) {
        Some(patterns) => list(patterns).iter().any(|pattern| matches(pattern)),
        None => !list(&statement[format!("Not{name}")]).iter().any(|pattern| matches(pattern)),
    }
}

/// Whether a statement applies, and whether it does for another reason than the name of the caller's account.
fn applies(statement: &Json, asked: &Asked, account: &str) -> (Told, Told) {
    let action = in_element(statement, "Action", |p| like(&p.to_lowercase(), &asked.action.to_lowercase()));
    let resource = in_element(statement, "Resource", |p| like(p, &asked.resource));
    let conditions = statement.get("Condition").and_then(Json::as_object).into_iter().flatten();
    let conditions = all_told(conditions.flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap().iter();
        keys.map(|(key, wanted)| condition_holds(operator, key, &list(wanted), &asked.values(key)))
    }));
    let arn = format!("acs:ram::{account}:user/{}", asked.user);
    let named = |principal: &Json| {
        let names = list(&principal["RAM"]);
        let by_name = names.iter().any(|name| name == "*" || *name == arn);
        (by_name || names.contains(&format!("acs:ram::{account}:root")), by_name)
    };
    let (meant, by_name) = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => named(principal),
        // All but those: whoever is not spoken of in any way, is meant.
        (None, Some(others)) => {
            // Who is denied "all but the root" of an account is everybody but the root, and the asking user is none.
            let spared = if statement["Effect"] == "Deny" { named(others).1 } else { named(others).0 };
            (!spared, !spared)
        }
        (None, None) => (true, true),
    };
    let met = |meant: bool| all_told([Some(action && resource && meant), conditions]);
    (met(meant), met(by_name))
}

/// (denies, allows, allows by name)
fn plainly(document: &Json, asked: &Asked, account: &str) -> (bool, bool, bool) {
    let mut said = (false, false, false);
    for statement in document["Statement"].as_array().unwrap() {
        let (applies, by_name) = applies(statement, asked, account);
        match statement["Effect"].as_str().unwrap() {
            // What can't be told counts against the caller.
            "Deny" => said.0 |= applies != Some(false),
            _ => said = (said.0, said.1 | (applies == Some(true)), said.2 | (by_name == Some(true))),
        }
    }
    said
}

fn one_or_two(one: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Json> {
    prop_oneof![one.clone().prop_map(Json::String), prop::collection::vec(one, 1..3).prop_map(|list| json!(list))]
}

fn condition() -> impl Strategy<Value = (String, String, Json)> {
    let of = |operators: &'static [&'static str], values: BoxedStrategy<String>| {
        let prefix = prop::sample::select(vec!["", "", "ForAnyValue:", "ForAllValues:"]);
        let suffix = prop::sample::select(vec!["", "", "IfExists"]);
        let operator = (prefix, prop::sample::select(operators), suffix).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
        (operator, one_or_two(values))
    };
    let strings = of(
        &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        "[aA1*?]{0,2}".boxed(),
    );
    let numbers = of(
        &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        "-?[0-2]".boxed(),
    );
    let dates = of(
        &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        (0..4_u64).prop_map(seconds_to_text).boxed(),
    );
    let addresses = of(&["IpAddress", "NotIpAddress"], r"10\.0\.0\.[0-3](/(0|24|31|32))?|::/0".boxed());
    let flags = of(&["Bool"], "true|false".boxed());
    let absent = ("true|false").prop_map(|value| ("Null".to_owned(), json!(value)));
    let keys =
        ["acs:SourceIp", "acs:SecureTransport", "acs:CurrentTime", "kms:tag/t", "kms:tag/t", "x:y", "kms:unheard"];
    let key = prop::sample::select(keys.to_vec());
    let tests = prop_oneof![strings, numbers, dates, addresses, flags, absent];
    (key, tests).prop_map(|(key, (operator, values))| (operator, key.to_owned(), values))
}

fn document(principals: bool) -> impl Strategy<Value = Json> {
    let action = r"\*|kms:(\*|En\*|Encrypt|encrypt|De\?rypt|Decrypt)|ram:\*";
    let resource = r"\*|acs:kms:\*:\*:key/(\*|a|b|\?)|acs:kms:r:1:(key|\*)";
    let statement = (
        prop::sample::select(vec!["Allow", "Allow", "Deny"]),
        any::<(bool, bool, bool)>(),
        one_or_two(action.boxed()),
        one_or_two(resource.boxed()),
        prop::collection::vec(condition(), 0..3),
        one_or_two(
            prop::sample::select(vec![
                "*".to_owned(),
                format!("acs:ram::{ACCOUNT}:root"),
                format!("acs:ram::{OTHER}:root"),
                format!("acs:ram::{ACCOUNT}:user/u"),
                format!("acs:ram::{OTHER}:user/u"),
            ])
            .boxed(),
        ),
    );
    let statement = statement.prop_map(
        move |(effect, (not_action, not_resource, not_principal), action, resource, conditions, principal)| {
            let mut statement = json!({"Effect": effect});
            statement[if not_action { "NotAction" } else { "Action" }] = action;
            statement[if not_resource { "NotResource" } else { "Resource" }] = resource;
            for (operator, key, values) in conditions {
                statement["Condition"][operator][key] = values;
            }
            if principals {
                statement[if not_principal { "NotPrincipal" } else { "Principal" }]["RAM"] = principal;
            }
            statement
        },
    );
    prop::collection::vec(statement, 1..4).prop_map(|statements| json!({"Version": "1", "Statement": statements}))
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::sample::select(vec!["kms:Encrypt", "kms:Decrypt", "ram:GetUser"]),
        prop::sample::select(vec!["acs:kms:r:1:key/a", "acs:kms:r:1:key/b", "acs:kms:r:1:key", "*"]),
        prop::sample::select(vec!["u", "v"]),
        prop::option::of((0..4_u8).prop_map(|last| IpAddr::from([10, 0, 0, last]))),
        prop::option::of(any::<bool>()),
        prop::option::of((0..4_u64).prop_map(|seconds| seconds * 1000)),
        prop::collection::vec("[aA12]{0,2}", 0..3),
    )
        .prop_map(|(action, resource, user, address, tls, time, tag)| Asked {
            action: action.into(),
            resource: resource.into(),
            user,
            address,
            tls,
            time,
            tag,
        })
}

fn attached(document: &Json, kind: PolicyKind) -> Arc<Attached> {
    let policy =
        Policy::parse_stored(&document.to_string(), kind).unwrap_or_else(|error| panic!("{error}: {document}"));
    Arc::new(Attached { origin: "a policy".into(), policy: Arc::new(policy) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_policy_says_what_the_plain_evaluator_says(document in document(false), asked in asked()) {
        let policy = attached(&document, PolicyKind::Identity);
        let arn = format!("acs:ram::{ACCOUNT}:user/{}", asked.user);
        let said = policy.policy.say(&asked.request(&arn, AccountId::parse(ACCOUNT).unwrap()));
        let (denies, allows, _) = plainly(&document, &asked, ACCOUNT);
        match said {
            Said::Deny(number) | Said::Undecided(number) => {
                prop_assert!(denies);
                let statement = &document["Statement"][number - 1];
                let told = if matches!(said, Said::Deny(_)) { Some(true) } else { None };
                prop_assert!(statement["Effect"] == "Deny");
                prop_assert_eq!(applies(statement, &asked, ACCOUNT).0, told);
            }
            Said::TooMuch(_) => prop_assert!(false, "short patterns take little"),
            Said::Allow(number) => {
                prop_assert!(allows && !denies);
                let statement = &document["Statement"][number - 1];
                prop_assert!(statement["Effect"] == "Allow");
                prop_assert_eq!(applies(statement, &asked, ACCOUNT).0, Some(true));
            }
            Said::Nothing => prop_assert!(!allows && !denies),
        }
    }

    #[test]
    fn policies_together_decide_as_the_rules_say(
        identity in prop::collection::vec(document(false), 0..3),
        session in prop::option::of(document(false)),
        key in prop::option::of(document(true)),
        asked in asked(),
        foreign in any::<bool>(),
        root in any::<bool>(),
    ) {
        let compiled: Vec<_> = identity.iter().map(|document| attached(document, PolicyKind::Identity)).collect();
        let session_policy = session.as_ref().map(|document| attached(document, PolicyKind::Session));
        let key_policy = key.as_ref().map(|document| attached(document, PolicyKind::Key));
        let account = if foreign { OTHER } else { ACCOUNT };
        let arn = format!("acs:ram::{account}:user/{}", asked.user);
        let policies = Policies {
            root,
            identity: &compiled,
            session: session_policy.as_deref(),
            resource: key_policy.as_deref(),
            foreign,
        };
        let verdict = policies.decide(&asked.request(&arn, AccountId::parse(account).unwrap()));

        let own: Vec<_> = identity.iter().map(|document| plainly(document, &asked, account)).collect();
        let session = session.map(|document| plainly(&document, &asked, account));
        let key = key.map(|document| plainly(&document, &asked, account));
        let denied = own.iter().chain(&session).chain(&key).any(|said| said.0);
        let own_allows = root || own.iter().any(|said| said.1);
        let session_allows = session.is_none_or(|said| said.1);
        let key_allows = key.is_some_and(|said| if foreign { said.1 } else { said.2 });
        let together = if foreign { own_allows && key_allows } else { own_allows || key_allows };
        let expected = (root && !foreign) || (!denied && session_allows && together);
        prop_assert_eq!(verdict.is_allowed(), expected, "{}", verdict);
    }

    #[test]
    fn no_document_is_too_strange_to_be_refused(text in r#"[\{\}\[\]":,A-Za-z*? 0-9]{0,64}"#) {
        let _ = Policy::parse(&text, PolicyKind::Key);
    }
}

fn refusal(statement: Json, kind: PolicyKind) -> String {
    let document = json!({"Version": "1", "Statement": [statement]}).to_string();
    Policy::parse(&document, kind).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn what_is_wrong_with_a_document_is_said_with_its_place() {
    let with = |name: &str, value: Json| {
        let mut statement = json!({"Effect": "Allow", "Action": "kms:*", "Resource": "*"});
        statement[name] = value;
        refusal(statement, PolicyKind::Identity)
    };
    let cases = [
        (with("Effect", json!("allow")), "statement 1, Effect: it must be \"Allow\" or \"Deny\""),
        (with("Action", json!(["kms"])), "statement 1, Action: \"kms\" is not of the form"),
        (with("Action", json!([])), "statement 1, Action: it must have 1 to 1024 entries"),
        (with("Resource", json!("key/1")), "statement 1, Resource: \"key/1\" is not of the form"),
        (with("NotAction", json!("kms:*")), "a statement can't contain both an element and its negation"),
        (with("Principal", json!("*")), "it is allowed only in key policies and trust policies"),
        (with("Effects", json!(1)), "\"Effects\" is not an element of a statement"),
        (
            with("Condition", json!({"StringEqual": {"k": "v"}})),
            "Condition, StringEqual, \"k\": the operator is unknown",
        ),
        (with("Condition", json!({"NumericLikes": {"k": "v"}})), "the operator is unknown"),
        (with("Condition", json!({"Nulls": {"k": "v"}})), "the operator is unknown"),
        (with("Condition", json!({"NullIfExists": {"k": "true"}})), "the operator is unknown"),
        (
            with("Condition", json!({"IpAddress": {"acs:SourceIp": "10.0.0.0/33"}})),
            "neither an IP address nor a CIDR block",
        ),
        (with("Condition", json!({"Bool": {"acs:SecureTransport": "yes"}})), "\"yes\" is neither true nor false"),
        (with("Condition", json!({"DateLessThan": {"acs:CurrentTime": "tomorrow"}})), "is not a valid time"),
        (with("Condition", json!({"NumericEquals": {"kms:tag/n": "1e3"}})), "is not a decimal number"),
        (with("Condition", json!({"StringEquals": {"kms:tag/n": 1.10}})), "must be written as a string, in quotes"),
        (with("Condition", json!({"IpAddress": {}})), "Condition, \"IpAddress\": it must have a condition key"),
        (
            refusal(
                json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                    "Principal": {"RAM": "acs:ram::1000000000000001:assumed-role/ops/*"}}),
                PolicyKind::Key,
            ),
            "name the session's role instead",
        ),
        (
            refusal(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}), PolicyKind::Key),
            "neither Principal nor NotPrincipal",
        ),
        (
            refusal(
                json!({"Effect": "Allow", "Action": "*", "Principal": {"RAM": "acs:ram::1:user/a"}}),
                PolicyKind::Trust,
            ),
            "statement 1, Principal: \"acs:ram::1:user/a\" is not of the form",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
    }
    let twice =
        r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}]}"#;
    let error = Policy::parse(twice, PolicyKind::Identity).err().unwrap().to_string();
    assert!(error.contains("the object has the name \"Effect\" twice"), "{error}");
    let deep = "[".repeat(4000);
    assert!(Policy::parse(&deep, PolicyKind::Key).is_err());
    assert!(
        Policy::parse(&" ".repeat(6145), PolicyKind::Identity).err().unwrap().to_string().contains("more than 6144")
    );
}

#[test]
fn what_earlier_versions_accepted_is_still_read() {
    let document = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*",
        "Principal":{"RAM":"acs:ram::1000000000000001:assumed-role/ops/*"},
        "Condition":{"NumericEquals":{"kms:tag/n":1.5},"IpAddress":{}}}]}"#;
    assert!(Policy::parse(document, PolicyKind::Key).is_err());
    assert!(Policy::parse_stored(document, PolicyKind::Key).is_ok());
}

/// A request whose condition key has a long value, by whatever policies it takes to decide it.
struct Long(String);

impl Context for Long {
    fn visit(&self, key: &ConditionKey, see: &mut dyn FnMut(Value<'_>)) {
        if matches!(key, ConditionKey::ResourceTag(_)) {
            see(Value::Text(&self.0));
        }
    }
}

#[test]
fn what_takes_too_long_to_decide_is_denied() {
    let long = Long("a".repeat(8000));
    let said = |effect: &str, operator: &str, patterns: usize| {
        let patterns = vec![format!("*?{}b*", "a".repeat(60)); patterns];
        let condition = serde_json::json!({ operator: { "kms:tag/t": patterns } });
        let statement = serde_json::json!({ "Effect": effect, "Action": "*", "Resource": "*", "Condition": condition });
        let document = serde_json::json!({ "Version": "1", "Statement": [statement] });
        let caller = Caller { account: AccountId::parse(ACCOUNT).unwrap(), arn: "acs:ram::1000000000000001:user/a" };
        let (action, resource) = ("kms:Encrypt", "acs:kms:*:*:*");
        let request = Request { action, resource, caller, context: &long, effort: Effort::default() };
        Policy::parse(&document.to_string(), PolicyKind::Identity).unwrap().say(&request)
    };
    // Each of them, and each negation, would say nothing or the opposite if what is spent counted as no match.
    for (effect, operator) in
        [("Deny", "StringLike"), ("Allow", "StringLike"), ("Deny", "StringNotLike"), ("Allow", "StringNotLike")]
    {
        assert_eq!(said(effect, operator, 20), Said::TooMuch(1), "{effect} {operator}");
    }
    let policies = |first: &str| {
        let allowed = attached_text(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
        let costly = attached_text(first);
        let caller = Caller { account: AccountId::parse(ACCOUNT).unwrap(), arn: "acs:ram::1000000000000001:user/a" };
        let (action, resource) = ("kms:Encrypt", "acs:kms:*:*:*");
        let request = Request { action, resource, caller, context: &long, effort: Effort::default() };
        let identity = [allowed, costly];
        let all = Policies { root: false, identity: &identity, session: None, resource: None, foreign: false };
        let verdict = all.decide(&request);
        (verdict.is_allowed(), verdict.to_string())
    };
    let costly = |count: usize| {
        let patterns = vec![format!("*?{}b*", "a".repeat(60)); count];
        serde_json::json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": { "StringLike": { "kms:tag/t": patterns } } })
        .to_string()
    };
    let (allowed, why) = policies(&costly(20));
    assert!(!allowed && why.contains("too many wildcards"), "{why}");
    assert!(
        policies(r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"kms:tag/t":"*b*"}}}"#).0
    );
}

fn attached_text(statement: &str) -> Arc<Attached> {
    let document = format!(r#"{{"Version":"1","Statement":[{statement}]}}"#);
    let policy = Policy::parse(&document, PolicyKind::Identity).unwrap();
    Arc::new(Attached { origin: "a policy".into(), policy: Arc::new(policy) })
}
