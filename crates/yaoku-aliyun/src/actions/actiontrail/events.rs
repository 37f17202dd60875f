//! LookupEvents.

use serde::Serialize;
use serde_json::{Map, Value};
use yaoku_audit::{Condition, Direction, Lookup};
use yaoku_gate::{LookupError, LookupEvents};
use yaoku_iam::NotDone;
use yaoku_iam::Operation;

use super::{Action, Exchange, Reply, parameters};
use crate::actions::arguments::{Parameter, Read, place_text};
use crate::actions::names::Named;
use crate::actions::run;
use crate::wire::time::{format_time, parse_time};
use crate::wire::{Code, RequestId, WireError};

/// Events of a page, unless another number is asked for.
const PAGE: u32 = 20;
/// The most events of a page.
const MAX_PAGE: u32 = 50;
/// How far back events are looked for, unless another time is given, in seconds.
const SPAN: i64 = 7 * 86_400;
/// By how much the order of records and that of their times may differ: clocks are set, and calls take their time. In seconds.
const SLACK: i64 = 3600;
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "LookupEvents",
    spec: &<LookupEvents as Operation>::SPEC,
    params: LookupParameters::PARAMS,
    run: run!(lookup_events(LookupParameters)),
}];

parameters! {
    struct LookupParameters {
        end: Option<i64> = "EndTime" optional shown => time;
        start: Option<i64> = "StartTime" optional shown => time;
        direction: Direction = "Direction" default(Direction::Backward) shown => named;
        most: u32 = "MaxResults" default(PAGE) shown => page_size;
        page: Option<Vec<u8>> = "NextToken" optional shown => place;
        condition: Option<Condition> = "LookupAttribute" optional shown => condition;
    }
}

impl Named for Direction {
    const NAMES: &'static [(Self, &'static str)] = &[(Self::Forward, "FORWARD"), (Self::Backward, "BACKWARD")];
}

async fn lookup_events(exchange: &Exchange<'_>, given: LookupParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        start_time: String,
        end_time: String,
        events: Vec<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
    }
    let LookupParameters { end, start, direction, most, page, condition } = given;
    let now = i64::try_from(exchange.performing.environment().time / 1000).unwrap_or(i64::MAX);
    let end = end.unwrap_or(now);
    let start = start.unwrap_or(end.saturating_sub(SPAN));
    if start > end {
        return Err(WireError::invalid_parameter("StartTime", "it must not be after EndTime"));
    }
    let horizon = match direction {
        Direction::Forward => end.saturating_add(SLACK),
        Direction::Backward => start.saturating_sub(SLACK),
    };
    let account = exchange.arguments.account.as_str();
    let lookup = Lookup {
        account: account.to_owned(),
        from: text(start),
        to: text(end),
        horizon: text(horizon),
        condition,
        direction,
        most: most as usize,
        page: None,
    };
    let page = exchange.perform(LookupEvents { lookup, after: page }).await?;
    exchange.reply(&Content {
        start_time: text(start),
        end_time: text(end),
        events: page.records.iter().filter_map(|record| shown(record, account)).collect(),
        next_token: page.next.as_deref().map(place_text),
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
    // Earlier versions wrote a number.
    if let Some(version) = event.get_mut("eventVersion").filter(|version| version.is_number()) {
        *version = version.to_string().into();
    }
    // Each of them gets an event of its own.
    event.remove("recipientAccountIds");
    event.insert("recipientAccountId".into(), recipient.into());
    let parameters = event.get("requestParameters").map(Value::to_string);
    event.extend(parameters.map(|json| ("requestParameterJson".into(), json.into())));
    Some(event.into())
}

/// Domain errors in the protocol's words.
pub(in crate::actions) fn failure(error: LookupError, request_id: RequestId) -> WireError {
    match error {
        LookupError::Denied(denial) => {
            tracing::warn!(%request_id, why = &*denial.why, "no permission");
            WireError::no_permission()
        }
        LookupError::NotDone(NotDone::Throttled) => WireError::too_many_at_once(),
        LookupError::NotDone(NotDone::Aborted) => {
            tracing::error!(%request_id, "a search of the audit log was aborted");
            WireError::internal()
        }
        LookupError::NotDone(_) => WireError::unavailable(),
        LookupError::Place => WireError::invalid_parameter("NextToken", "it is not one that was given out"),
        LookupError::Unavailable(error) => {
            tracing::warn!(%request_id, %error, "not available");
            WireError::unavailable()
        }
        LookupError::SwitchedOff => {
            WireError::new(Code::UnsupportedOperation, "The audit log of this server is switched off.")
        }
        LookupError::Unreadable(error) => {
            tracing::error!(%request_id, %error, "the audit log can't be read");
            WireError::internal()
        }
    }
}

fn text(seconds: i64) -> String {
    format_time(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

impl Parameter<'_> {
    /// Seconds since 1970.
    fn time(self) -> Read<i64> {
        let Some(text) = self.filled() else { return Ok(None) };
        let why = "it must be a time in UTC such as 2026-11-24T02:00:00Z";
        parse_time(text).map(Some).ok_or_else(|| self.invalid(why))
    }

    /// 0 is what asks for the usual number, in the SDKs of languages without options.
    fn page_size(self) -> Read<u32> {
        match self.integer()? {
            Some(most) if most > MAX_PAGE => {
                Err(self.invalid(format!("it must be a whole number from 0 to {MAX_PAGE}")))
            }
            most => Ok(most.filter(|most| *most != 0)),
        }
    }

    /// `LookupAttribute.1.Key` and `.Value`: one condition a request, as ActionTrail has it.
    fn condition(self) -> Read<Condition> {
        let element = |suffix: &str| {
            let found = self.entries().find(|(name, _)| *name == suffix);
            found.map(|(_, value)| value).filter(|value| !value.is_empty())
        };
        let Some(key) = element("1.Key") else { return Ok(None) };
        if element("2.Key").is_some() {
            return Err(self.invalid("there can be only one"));
        }
        let value = element("1.Value").ok_or_else(|| WireError::missing_parameter("LookupAttribute.1.Value"))?;
        let value = value.to_owned();
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
                return Err(WireError::invalid_parameter("LookupAttribute.1.Key", why));
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_an_event_is_text_whoever_wrote_it() {
        for version in ["1", r#""1""#] {
            let record = format!(r#"{{"eventVersion":{version},"userIdentity":{{"accountId":"1"}}}}"#);
            assert_eq!(shown(record.as_bytes(), "1").unwrap()["eventVersion"], "1");
        }
    }
}
