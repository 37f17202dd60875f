//! Requests as they are read, and responses as they are written (KMIP 1.4, sections 6 and 7).

use zeroize::Zeroizing;

use crate::attribute::{read_all, read_names, read_template};
use crate::enumerations::{BatchErrorContinuation, CredentialType, ObjectType, ResultStatus};
use crate::failure::{Code, Failure};
use crate::object::Registered;
use crate::profile::Version;
use crate::ttlv::{Fields, Item, Tag, Writer, decode};

/// Items of a batch.
pub(crate) const MAX_BATCH: usize = 64;
/// Asynchronous indicator of version 2: the client takes no answer at once.
const MANDATORY: u32 = 1;

/// A request.
pub(crate) struct Request<'i, 'a> {
    pub(crate) version: Version,
    /// The longest response that the client accepts.
    pub(crate) most: Option<usize>,
    pub(crate) credential: Option<Credential<'a>>,
    pub(crate) correlation: Option<&'a str>,
    /// Whether the rest of the batch is done when an item fails.
    pub(crate) goes_on: bool,
    pub(crate) batch: Vec<BatchItem<'i, 'a>>,
}

/// A username and a password.
#[derive(Clone, Copy)]
pub(crate) struct Credential<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
}

/// One thing that is asked for.
pub(crate) struct BatchItem<'i, 'a> {
    pub(crate) operation: u32,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) payload: &'i Item<'a>,
    /// Whether it comes with an extension that must not be passed over.
    pub(crate) is_extended: bool,
}

impl<'i, 'a> Request<'i, 'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// With the version that the failure is answered in.
    pub(crate) fn read(message: &'i Item<'a>) -> Result<Self, (Version, Failure)> {
        let oldest = |failure: Failure| (Version::V1_0, failure);
        let fields = Fields::of(message).map_err(|error| oldest(error.into()))?;
        let header = fields.required(Tag::REQUEST_HEADER).and_then(Fields::of).map_err(|error| oldest(error.into()))?;
        let version = version(&header).map_err(oldest)?;
        let read = || {
            let newest = Version::ALL[0];
            if !Version::ALL.contains(&version) {
                let why = format!("version {version} is not supported by this server; the newest that is is {newest}");
                return Err(Failure::new(Code::InvalidMessage, why));
            }
            let most = header.optional(Tag::MAXIMUM_RESPONSE_SIZE).map(Item::integer).transpose()?;
            let most = most.map(|most| usize::try_from(most).unwrap_or(0));
            let correlation = header.optional(Tag::CLIENT_CORRELATION_VALUE).map(Item::text).transpose()?;
            header.optional(Tag::SERVER_CORRELATION_VALUE);
            if let Some(indicator) = header.optional(Tag::ASYNCHRONOUS_INDICATOR) {
                let is_asked = match version.has_attributes_by_tag() {
                    true => indicator.enumeration()? == MANDATORY,
                    false => indicator.boolean()?,
                };
                if is_asked {
                    return Err(Failure::unsupported("this server answers synchronously only"));
                }
            }
            // What the client could attest is not asked for.
            header.optional(Tag::ATTESTATION_CAPABLE_INDICATOR);
            header.all(Tag::ATTESTATION_TYPE);
            let credential = header.optional(Tag::AUTHENTICATION).map(credential).transpose()?.flatten();
            let option = header.optional(Tag::BATCH_ERROR_CONTINUATION_OPTION).map(Item::enumeration).transpose()?;
            let option = option.map(BatchErrorContinuation::of);
            header.optional(Tag::BATCH_ORDER_OPTION).map(Item::boolean).transpose()?;
            header.optional(Tag::TIME_STAMP).map(Item::date_time).transpose()?;
            let count = header.required(Tag::BATCH_COUNT)?.integer()?;
            header.end()?;
            let items = fields.all(Tag::BATCH_ITEM);
            fields.end()?;
            if usize::try_from(count) != Ok(items.len()) || items.is_empty() {
                return Err(Failure::new(Code::InvalidMessage, "Batch Count is not the number of batch items"));
            }
            if items.len() > MAX_BATCH {
                return Err(Failure::new(
                    Code::InvalidMessage,
                    format!("a message can have at most {MAX_BATCH} batch items"),
                ));
            }
            let goes_on = match option {
                None | Some(Some(BatchErrorContinuation::Stop)) => false,
                Some(Some(BatchErrorContinuation::Continue)) => true,
                Some(Some(BatchErrorContinuation::Undo)) if items.len() == 1 => false,
                Some(Some(BatchErrorContinuation::Undo)) => {
                    return Err(Failure::unsupported(
                        "operations are not undone: use the batch error continuation option Stop or Continue",
                    ));
                }
                Some(None) => return Err(Failure::invalid("there is no such Batch Error Continuation Option")),
            };
            let batch = items.into_iter().map(BatchItem::read).collect::<Result<Vec<_>, _>>()?;
            Ok(Self { version, most, credential, correlation, goes_on, batch })
        };
        let answered = if Version::ALL.contains(&version) { version } else { Version::V1_0 };
        read().map_err(|failure| (answered, failure))
    }
}

fn version(header: &Fields<'_, '_>) -> Result<Version, Failure> {
    let version = Fields::of(header.required(Tag::PROTOCOL_VERSION)?)?;
    let number = |tag| version.required(tag).and_then(Item::integer);
    let read = Version(number(Tag::PROTOCOL_VERSION_MAJOR)?, number(Tag::PROTOCOL_VERSION_MINOR)?);
    version.end()?;
    Ok(read)
}

/// The username and the password; none where only credentials are given that this server does not know, which authenticate nobody.
fn credential<'a>(authentication: &Item<'a>) -> Result<Option<Credential<'a>>, Failure> {
    let fields = Fields::of(authentication)?;
    let mut found = None;
    for credential in fields.all(Tag::CREDENTIAL) {
        let credential = Fields::of(credential)?;
        let kind = credential.required(Tag::CREDENTIAL_TYPE)?.enumeration()?;
        let value = credential.required(Tag::CREDENTIAL_VALUE)?;
        credential.end()?;
        if CredentialType::of(kind) != Some(CredentialType::UsernameAndPassword) {
            return Err(Failure::not_authenticated());
        }
        let value = Fields::of(value)?;
        let username = value.required(Tag::USERNAME)?.text()?;
        let password = value.optional(Tag::PASSWORD).map(Item::text).transpose()?.unwrap_or_default();
        value.end()?;
        if found.replace(Credential { username, password }).is_some() {
            return Err(Failure::not_authenticated());
        }
    }
    fields.end()?;
    Ok(found)
}

impl<'i, 'a> BatchItem<'i, 'a> {
    fn read(item: &'i Item<'a>) -> Result<Self, Failure> {
        let fields = Fields::of(item)?;
        let operation = fields.required(Tag::OPERATION)?.enumeration()?;
        let is_ephemeral = fields.optional(Tag::EPHEMERAL).map(Item::boolean).transpose()?.unwrap_or(false);
        let id = fields.optional(Tag::UNIQUE_BATCH_ITEM_ID).map(Item::bytes).transpose()?;
        let payload = fields.required(Tag::REQUEST_PAYLOAD)?;
        let extension = fields.optional(Tag::MESSAGE_EXTENSION).map(Fields::of).transpose()?;
        fields.end()?;
        let mut is_extended = is_ephemeral;
        if let Some(extension) = extension {
            extension.required(Tag::VENDOR_IDENTIFICATION)?.text()?;
            is_extended |= extension.required(Tag::CRITICALITY_INDICATOR)?.boolean()?;
            extension.optional(Tag::VENDOR_EXTENSION);
            extension.end()?;
        }
        Ok(Self { operation, id, payload, is_extended })
    }

    /// The object that it names, for its record.
    pub(crate) fn object(&self) -> Option<&'a str> {
        Fields::of(self.payload).ok()?.optional(Tag::UNIQUE_IDENTIFIER)?.text().ok()
    }
}

/// What came of a batch item.
pub(crate) struct Outcome<'a> {
    /// None where it is not about one item.
    pub(crate) operation: Option<u32>,
    pub(crate) id: Option<&'a [u8]>,
    /// What its payload holds.
    pub(crate) result: Result<Writer, Failure>,
}

/// Writes a response.
pub(crate) fn respond(
    version: Version,
    now: i64,
    correlation: Option<&str>,
    outcomes: &[Outcome<'_>],
) -> Zeroizing<Vec<u8>> {
    let mut response = Writer::new();
    response.structure(Tag::RESPONSE_MESSAGE, |response| {
        response.structure(Tag::RESPONSE_HEADER, |header| {
            header.structure(Tag::PROTOCOL_VERSION, |written| {
                written.integer(Tag::PROTOCOL_VERSION_MAJOR, version.0);
                written.integer(Tag::PROTOCOL_VERSION_MINOR, version.1);
            });
            header.date_time(Tag::TIME_STAMP, now);
            if let Some(correlation) = correlation.filter(|_| version >= Version::V1_4) {
                header.text(Tag::CLIENT_CORRELATION_VALUE, correlation);
            }
            header.integer(Tag::BATCH_COUNT, i32::try_from(outcomes.len()).unwrap_or(i32::MAX));
        });
        for Outcome { operation, id, result } in outcomes {
            response.structure(Tag::BATCH_ITEM, |item| {
                if let Some(operation) = operation {
                    item.enumeration(Tag::OPERATION, *operation);
                }
                if let Some(id) = id {
                    item.bytes(Tag::UNIQUE_BATCH_ITEM_ID, id);
                }
                match result {
                    Ok(payload) => {
                        item.enumeration(Tag::RESULT_STATUS, ResultStatus::Success.number());
                        item.structure(Tag::RESPONSE_PAYLOAD, |written| written.append(payload));
                    }
                    Err(failure) => {
                        item.enumeration(Tag::RESULT_STATUS, ResultStatus::OperationFailed.number());
                        item.enumeration(Tag::RESULT_REASON, failure.code.reason(version));
                        item.text(Tag::RESULT_MESSAGE, &failure.message);
                    }
                }
            });
        }
    });
    response.finish()
}

/// Reads bytes as a request, and the attributes and objects in its payloads.
pub fn fuzz(bytes: &[u8]) {
    let Ok(item) = decode(bytes) else { return };
    let Ok(request) = Request::read(&item) else { return };
    for item in &request.batch {
        let _ = item.object();
        if let Ok(payload) = Fields::of(item.payload) {
            let _ = (read_all(&payload, request.version), read_names(&payload, request.version));
            let _ = read_template(&payload, request.version, (Tag::TEMPLATE_ATTRIBUTE, Tag::ATTRIBUTES));
            for kind in ObjectType::HERE.into_iter().filter_map(ObjectType::kind) {
                let _ = Registered::read(&payload, kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::Value;

    fn read(write: impl FnOnce(&mut Writer)) -> Result<(Version, usize, bool), (Version, Code)> {
        let mut message = Writer::new();
        message.structure(Tag::REQUEST_MESSAGE, write);
        let bytes = message.finish();
        let item = decode(&bytes).unwrap_or_else(|error| panic!("{error}"));
        let request = Request::read(&item).map_err(|(version, failure)| (version, failure.code))?;
        Ok((request.version, request.batch.len(), request.goes_on))
    }

    fn header(message: &mut Writer, version: Version, count: i32, more: impl FnOnce(&mut Writer)) {
        message.structure(Tag::REQUEST_HEADER, |header| {
            header.structure(Tag::PROTOCOL_VERSION, |written| {
                written.integer(Tag::PROTOCOL_VERSION_MAJOR, version.0);
                written.integer(Tag::PROTOCOL_VERSION_MINOR, version.1);
            });
            more(header);
            header.integer(Tag::BATCH_COUNT, count);
        });
    }

    fn query(message: &mut Writer) {
        message.structure(Tag::BATCH_ITEM, |item| {
            item.enumeration(Tag::OPERATION, 0x18);
            item.structure(Tag::REQUEST_PAYLOAD, |_| ());
        });
    }

    #[test]
    fn headers_say_how_a_batch_is_done() {
        let v = Version::V1_4;
        let of = |version, count, items: usize, more: fn(&mut Writer)| {
            read(|message| {
                header(message, version, count, more);
                (0..items).for_each(|_| query(message));
            })
        };
        assert_eq!(of(v, 1, 1, |_| ()), Ok((v, 1, false)));
        assert_eq!(of(v, 2, 2, |header| header.enumeration(Tag::BATCH_ERROR_CONTINUATION_OPTION, 1)), Ok((v, 2, true)));
        let undo: fn(&mut Writer) = |header| header.enumeration(Tag::BATCH_ERROR_CONTINUATION_OPTION, 3);
        assert_eq!(of(v, 2, 2, undo), Err((v, Code::FeatureNotSupported)));
        assert_eq!(of(v, 1, 1, undo), Ok((v, 1, false)));
        let asynchronous: fn(&mut Writer) = |header| header.boolean(Tag::ASYNCHRONOUS_INDICATOR, true);
        assert_eq!(of(v, 1, 1, asynchronous), Err((v, Code::FeatureNotSupported)));
        let optional: fn(&mut Writer) = |header| header.enumeration(Tag::ASYNCHRONOUS_INDICATOR, 2);
        assert_eq!(of(Version::V2_0, 1, 1, optional), Ok((Version::V2_0, 1, false)));
        assert_eq!(of(v, 2, 1, |_| ()), Err((v, Code::InvalidMessage)));
        assert_eq!(of(v, 0, 0, |_| ()), Err((v, Code::InvalidMessage)));
        assert_eq!(of(v, 65, 65, |_| ()), Err((v, Code::InvalidMessage)));
        assert_eq!(of(Version(3, 0), 1, 1, |_| ()), Err((Version::V1_0, Code::InvalidMessage)));
        assert_eq!(of(v, 1, 1, |header| header.integer(Tag::OFFSET, 1)), Err((v, Code::InvalidField)));
    }

    #[test]
    fn responses_say_what_came_of_each_item() {
        let mut payload = Writer::new();
        payload.text(Tag::UNIQUE_IDENTIFIER, "one");
        let outcomes = [
            Outcome { operation: Some(0x1f), id: Some(b"1"), result: Ok(payload) },
            Outcome { operation: Some(0x0a), id: None, result: Err(Failure::not_found()) },
        ];
        let bytes = respond(Version::V1_2, 7, Some("unknown to 1.2"), &outcomes);
        let item = decode(&bytes).unwrap_or_else(|error| panic!("{error}"));
        let fields = Fields::of(&item).unwrap_or_else(|error| panic!("{error}"));
        let header = Fields::of(fields.required(Tag::RESPONSE_HEADER).unwrap_or_else(|error| panic!("{error}")));
        let header = header.unwrap_or_else(|error| panic!("{error}"));
        assert!(header.optional(Tag::CLIENT_CORRELATION_VALUE).is_none());
        assert!(header.optional(Tag::BATCH_COUNT).is_some_and(|count| count.value == Value::Integer(2)));
        let items = fields.all(Tag::BATCH_ITEM);
        let failed = Fields::of(items[1]).unwrap_or_else(|error| panic!("{error}"));
        assert!(failed.optional(Tag::RESULT_REASON).is_some_and(|reason| reason.value == Value::Enumeration(1)));
    }
}
