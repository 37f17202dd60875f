//! Answers as bytes: a result's fields beside `RequestId`, or an error, in JSON or XML.

use std::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Format, RequestId, WireError, wiping_buffer::WipingBuffer};

/// A usual answer fits without moving: the largest of a cryptographic operation is some 8 KiB, most are below 1 KiB.
const CAPACITY: usize = 1024;
const XML_DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
/// The current SDKs look an error's fields up in this element; the older ones take any root.
const ERROR_ROOT: &str = "Error";

/// A result that can't be written, which is an error of this program: its type has a shape that the format lacks.
#[derive(Debug, thiserror::Error)]
pub enum SerializeError {
    /// In JSON.
    #[error("can't write the result as JSON")]
    Json(#[from] serde_json::Error),
    /// In XML.
    #[error("can't write the result as XML")]
    Xml(#[from] quick_xml::SeError),
}

/// Writes a successful answer: the fields of `result`, a struct or map, beside `RequestId`.
///
/// A list is a struct with one field that has the elements (`Keys.Key[]`); in XML the elements repeat inside the wrapping
/// element, which stays, empty, where there are none. In XML, `root` is the name of the element around all. The bytes are wiped on drop, for they may hold a plaintext.
///
/// # Errors
/// Only for a type that the format can't express.
pub fn success<T: Serialize>(
    format: Format,
    root: &str,
    request_id: RequestId,
    result: &T,
) -> Result<Zeroizing<Vec<u8>>, SerializeError> {
    write(format, root, &Success { result, request_id })
}

/// Writes an error. `host_id` is the host that the request named.
pub fn error(format: Format, error: &WireError, request_id: RequestId, host_id: &str) -> Vec<u8> {
    let body = Error {
        http_status: error.http_status(),
        code: error.code.as_str(),
        message: &error.message,
        request_id,
        host_id,
    };
    // A struct of strings and a number has a form in both formats; were it not so, the status still tells.
    write(format, ERROR_ROOT, &body).map(|mut bytes| std::mem::take(&mut *bytes)).unwrap_or_default()
}

/// Writes a result alone, in JSON. The bytes are wiped on drop.
///
/// # Errors
/// Only for a type that the format can't express.
pub fn json<T: Serialize>(result: &T) -> Result<Zeroizing<Vec<u8>>, SerializeError> {
    write(Format::Json, "", result)
}

#[derive(Serialize)]
struct Success<'a, T> {
    #[serde(flatten)]
    result: &'a T,
    #[serde(rename = "RequestId")]
    request_id: RequestId,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Error<'a> {
    http_status: u16,
    code: &'a str,
    message: &'a str,
    request_id: RequestId,
    host_id: &'a str,
}

fn write<T: Serialize>(format: Format, root: &str, body: &T) -> Result<Zeroizing<Vec<u8>>, SerializeError> {
    let mut out = WipingBuffer::with_capacity(CAPACITY);
    match format {
        Format::Json => serde_json::to_writer(&mut out, body)?,
        Format::Xml => {
            out.push(XML_DECLARATION.as_bytes());
            let mut text = XmlText { out: &mut out };
            body.serialize(quick_xml::se::Serializer::with_root(&mut text, Some(root))?)?;
        }
    }
    Ok(out.into_bytes())
}

/// Keeps a document well-formed: characters that XML 1.0 (section 2.2) has no way to say become U+FFFD, and a carriage
/// return, which parsers would turn into a line feed (section 2.11), becomes a reference. Markup has neither.
struct XmlText<'a> {
    out: &'a mut WipingBuffer,
}

impl fmt::Write for XmlText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c| !xml_char(c) || c == '\r') {
            let (plain, found) = rest.split_at(at);
            self.out.push(plain.as_bytes());
            let mut chars = found.chars();
            let replacement = if chars.next() == Some('\r') { "&#13;" } else { "\u{FFFD}" };
            self.out.push(replacement.as_bytes());
            rest = chars.as_str();
        }
        self.out.push(rest.as_bytes());
        Ok(())
    }
}

/// Whether a document can hold the text unchanged.
pub fn is_xml_text(text: &str) -> bool {
    text.chars().all(xml_char)
}

fn xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use quick_xml::events::Event;

    use super::*;
    use crate::wire::Code;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct List {
        keys: Keys,
        page_number: u32,
        truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }

    #[derive(Serialize)]
    struct Keys {
        #[serde(rename = "Key")]
        key: Vec<Key>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Key {
        key_id: String,
        description: String,
    }

    fn id() -> RequestId {
        RequestId::from_random([0; 16])
    }

    fn text<T: Serialize>(format: Format, result: &T) -> String {
        String::from_utf8(success(format, "KMS", id(), result).unwrap().to_vec()).unwrap()
    }

    fn list(descriptions: &[&str]) -> List {
        let key =
            |(at, description): (usize, &&str)| Key { key_id: format!("k{at}"), description: description.to_string() };
        List {
            keys: Keys { key: descriptions.iter().enumerate().map(key).collect() },
            page_number: 1,
            truncated: false,
            note: None,
        }
    }

    #[test]
    fn json_puts_the_fields_beside_the_request_id() {
        assert_eq!(
            text(Format::Json, &list(&["a\"b", ""])),
            r#"{"Keys":{"Key":[{"KeyId":"k0","Description":"a\"b"},{"KeyId":"k1","Description":""}]},"PageNumber":1,"Truncated":false,"RequestId":"00000000-0000-4000-8000-000000000000"}"#
        );
        assert_eq!(text(Format::Json, &()), r#"{"RequestId":"00000000-0000-4000-8000-000000000000"}"#);
    }

    #[test]
    fn xml_puts_the_fields_beside_the_request_id() {
        let document = |inner: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><KMS>{inner}<RequestId>00000000-0000-4000-8000-000000000000</RequestId></KMS>"
            )
        };
        let key = |id, description| format!("<Key><KeyId>{id}</KeyId>{description}</Key>");
        let rest = "<PageNumber>1</PageNumber><Truncated>false</Truncated>";
        let keys = key("k0", "<Description>a&lt;&amp;b</Description>") + &key("k1", "<Description/>");
        assert_eq!(text(Format::Xml, &list(&["a<&b", ""])), document(&format!("<Keys>{keys}</Keys>{rest}")));
        assert_eq!(text(Format::Xml, &list(&[])), document(&format!("<Keys/>{rest}")));
        assert_eq!(text(Format::Xml, &()), document(""));
        assert_eq!(text(Format::Xml, &BTreeMap::from([("A", "1"), ("B", "")])), document("<A>1</A><B/>"));
    }

    #[test]
    fn xml_has_no_illegal_characters() {
        let written = text(Format::Xml, &list(&["a\0b\u{1b}\u{FFFE}c\r\nd\te"]));
        assert!(written.contains("<Description>a\u{FFFD}b\u{FFFD}\u{FFFD}c&#13;\nd\te</Description>"), "{written}");
    }

    #[test]
    fn errors_have_their_fields_at_the_top() {
        let refusal = WireError::new(Code::ForbiddenKeyNotFound, "The specified \"Key\" is not found.");
        assert_eq!(
            error(Format::Json, &refusal, id(), "localhost"),
            br#"{"HttpStatus":404,"Code":"Forbidden.KeyNotFound","Message":"The specified \"Key\" is not found.","RequestId":"00000000-0000-4000-8000-000000000000","HostId":"localhost"}"#
        );
        assert_eq!(
            String::from_utf8(error(Format::Xml, &refusal, id(), "")).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><HttpStatus>404</HttpStatus><Code>Forbidden.KeyNotFound</Code>\
             <Message>The specified \"Key\" is not found.</Message><RequestId>00000000-0000-4000-8000-000000000000</RequestId><HostId/></Error>"
        );
    }

    proptest! {
        #[test]
        fn any_text_survives(description in any::<String>()) {
            let value = list(&[&description]);
            let json: serde_json::Value = serde_json::from_str(&text(Format::Json, &value)).unwrap();
            prop_assert_eq!(json["Keys"]["Key"][0]["Description"].as_str(), Some(description.as_str()));

            let expected: String = description.chars().map(|c| if xml_char(c) { c } else { '\u{FFFD}' }).collect();
            prop_assert_eq!(description_of(&text(Format::Xml, &value)), expected);
        }
    }

    /// The text of the element `Description`, by quick-xml's parser.
    fn description_of(document: &str) -> String {
        let mut reader = quick_xml::Reader::from_str(document);
        let (mut inside, mut text) = (false, String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => inside = tag.name().as_ref() == "Description",
                Event::End(_) => inside = false,
                Event::Text(part) if inside => text += &part,
                Event::GeneralRef(reference) if inside => match reference.resolve_char_ref().unwrap() {
                    Some(c) => text.push(c),
                    None => text += quick_xml::escape::resolve_predefined_entity(&reference).unwrap(),
                },
                Event::Eof => return text,
                _ => {}
            }
        }
    }
}
