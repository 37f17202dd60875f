//! LookupEvents.

use serde::Serialize;
use serde_json::{Map, Value};
use yaoku_audit::{Condition, Direction, Lookup};
use yaoku_iam::{Access, Decision, OperationSpec, Permission, Question, Resource};

use super::{Action, Exchange, Reply, optional};
use crate::actions::Spec;
use crate::actions::names::Named;
use crate::wire::time::{format_time, parse_time};
use crate::wire::{Code, WireError};

/// Events of a page, unless another number is asked for.
const PAGE: u32 = 20;
/// The most events of a page.
const MAX_PAGE: u32 = 50;
/// How far back events are looked for, unless another time is given, in seconds.
const SPAN: i64 = 7 * 86_400;
/// By how much the order of records and that of their times may differ: clocks are set, and calls take their time. In seconds.
const SLACK: i64 = 3600;
/// One condition a request, as ActionTrail has it.
const CONDITION: [&str; 2] = ["LookupAttribute.1.Key", "LookupAttribute.1.Value"];

pub(super) const ACTIONS: &[Action] = &[Action {
    name: "LookupEvents",
    spec: Spec::Trail(&LOOKUP_EVENTS),
    params: &[
        optional("Direction"),
        optional("EndTime"),
        optional("LookupAttribute"),
        optional("MaxResults"),
        optional("NextToken"),
        optional("StartTime"),
    ],
    run: |exchange| Box::pin(lookup_events(exchange)),
}];

const LOOKUP_EVENTS: OperationSpec =
    OperationSpec { name: "LookupEvents", access: Access::Read, service: "actiontrail", on: &[] };

impl Named for Direction {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Forward, "FORWARD"), (Self::Backward, "BACKWARD")];
}

async fn lookup_events(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        start_time: String,
        end_time: String,
        events: Vec<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
    }
    allow(exchange)?;
    let arguments = &exchange.arguments;
    let now = i64::try_from(exchange.environment.time / 1000).unwrap_or(i64::MAX);
    let end = time(exchange, "EndTime")?.unwrap_or(now);
    let start = time(exchange, "StartTime")?.unwrap_or(end.saturating_sub(SPAN));
    if start > end {
        return Err(WireError::invalid_parameter("StartTime", "it must not be after EndTime"));
    }
    let direction = arguments.named("Direction")?.unwrap_or(Direction::Backward);
    let most = arguments.integer("MaxResults")?.unwrap_or(PAGE);
    if most > MAX_PAGE {
        return Err(WireError::invalid_parameter("MaxResults", format!("it must be an integer from 0 to {MAX_PAGE}")));
    }
    // None is what asks for the usual number, in the SDKs of languages without options.
    let most = if most == 0 { PAGE } else { most };
    let token = arguments.given("NextToken").map(|text| {
        text.parse().map_err(|_| WireError::invalid_parameter("NextToken", "it must be one that this server returned"))
    });
    let horizon = match direction {
        Direction::Forward => end.saturating_add(SLACK),
        Direction::Backward => start.saturating_sub(SLACK),
    };
    let lookup = Lookup {
        account: arguments.account.as_str().to_owned(),
        from: text(start),
        to: text(end),
        horizon: text(horizon),
        condition: condition(exchange)?,
        direction,
        most: most as usize,
        page: token.transpose()?,
    };
    let Some(trail) = exchange.trail else {
        return Err(WireError::new(Code::UnsupportedOperation, "The audit log of this server is turned off."));
    };
    let page = trail.lookup(lookup).await.map_err(|error| {
        tracing::error!(request_id = %exchange.request_id, %error, "the audit log can't be read");
        WireError::internal()
    })?;
    exchange.reply(&Content {
        start_time: text(start),
        end_time: text(end),
        events: page.records.iter().filter_map(|record| shown(record, arguments.account.as_str())).collect(),
        next_token: page.next.map(|next| next.to_string()),
    })
}

/// An event as an account is shown it that is its recipient. Of another account's caller, whom it let use a key, it learns the
/// kind, the account and the principal's id: no name, and no AccessKey.
fn shown(record: &[u8], recipient: &str) -> Option<Value> {
    let mut event: Map<String, Value> = serde_json::from_slice(record).ok()?;
    let who = event.get_mut("userIdentity").and_then(Value::as_object_mut)?;
    if who.get("accountId").and_then(Value::as_str) != Some(recipient) {
        who.retain(|name, _| ["type", "accountId", "principalId"].contains(&name.as_str()));
    }
    // Each of them gets an event of its own.
    event.remove("recipientAccountIds");
    event.insert("recipientAccountId".into(), recipient.into());
    let parameters = event.get("requestParameters").map(Value::to_string);
    event.extend(parameters.map(|json| ("requestParameterJson".into(), json.into())));
    Some(event.into())
}

/// Checks that the caller may read the events of its account.
fn allow(exchange: &Exchange<'_>) -> Result<(), WireError> {
    let account = exchange.arguments.account;
    let resource =
        Resource { service: "actiontrail", region: "*", account, owner: None, name: &"*", tags: None, policy: None };
    let permission = Permission(LOOKUP_EVENTS.name);
    let question = Question { permission, resource: &resource, environment: exchange.environment };
    match exchange.iam.authorise(exchange.principal, &question) {
        Decision::Allowed => Ok(()),
        Decision::Denied(denial) => {
            tracing::warn!(request_id = %exchange.request_id, why = &*denial.why, "no permission");
            Err(WireError::no_permission())
        }
    }
}

fn time(exchange: &Exchange<'_>, name: &'static str) -> Result<Option<i64>, WireError> {
    let Some(text) = exchange.arguments.given(name) else { return Ok(None) };
    let why = "it must be a time in UTC such as 2026-11-24T02:00:00Z";
    parse_time(text).map(Some).ok_or_else(|| WireError::invalid_parameter(name, why))
}

fn text(seconds: i64) -> String {
    format_time(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

fn condition(exchange: &Exchange<'_>) -> Result<Option<Condition>, WireError> {
    let [key, value] = CONDITION.map(|name| exchange.arguments.given(name));
    let Some(key) = key else { return Ok(None) };
    if exchange.arguments.given("LookupAttribute.2.Key").is_some() {
        return Err(WireError::invalid_parameter("LookupAttribute", "it must contain only one attribute"));
    }
    let value = value.ok_or_else(|| WireError::missing_parameter(CONDITION[1]))?.to_owned();
    Ok(Some(match key {
        "ServiceName" => Condition::Service(value),
        "EventName" => Condition::Name(value),
        "User" => Condition::User(value),
        "EventId" => Condition::Id(value),
        "ResourceType" => Condition::ResourceType(value),
        "ResourceName" => Condition::ResourceName(value),
        "EventRW" => Condition::ReadWrite(value),
        "EventAccessKeyId" => Condition::AccessKey(value),
        _ => {
            let why = "it must be ServiceName, EventName, User, EventId, ResourceType, ResourceName, EventRW or EventAccessKeyId";
            return Err(WireError::invalid_parameter(CONDITION[0], why));
        }
    }))
}
