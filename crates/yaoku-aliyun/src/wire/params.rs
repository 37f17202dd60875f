//! The parameters of a request: query string and form body, decoded once and looked up by name.

use std::borrow::Cow;

use http::{HeaderMap, header::CONTENT_TYPE};
use memchr::memchr;
use zeroize::Zeroize;

use super::{
    error::WireError,
    percent::{self, DecodeError},
    split,
};

/// The most parameters that a request may have.
pub const MAX_PARAMETERS: usize = 512;
/// As many as most requests have, whose list then is no large allocation.
const USUAL_PARAMETERS: usize = 16;
/// The longest name of a parameter, in bytes.
pub const MAX_NAME_LEN: usize = 256;

/// A request's parameters, each name once, in the byte order of the names.
///
/// Text that needs no decoding is borrowed from the request; decoded copies are wiped on drop, since a value may be a plaintext.
pub struct Params<'a> {
    sorted: Vec<Param<'a>>,
}

/// One parameter.
pub struct Param<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    place: Place,
}

/// Where a parameter stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the query string.
    Query,
    /// In the form body.
    Body,
}

/// The form in a request's body: so it is taken unless `Content-Type` names another type.
///
/// # Errors
/// `ParseRequestParameterException` naming the type, for a body of another one. An empty body may be of any.
pub fn form<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<&'b [u8], WireError> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(body) };
    let essence = content_type.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if body.is_empty() || essence.eq_ignore_ascii_case(FORM.as_bytes()) {
        return Ok(body);
    }
    // As types are written (RFC 9110, 8.3.1), and no longer than any that is in use.
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"/.+-_".contains(byte);
    let essence = std::str::from_utf8(essence)
        .ok()
        .filter(|essence| essence.len() <= 80 && essence.bytes().all(|byte| word(&byte)));
    Err(WireError::parse(format_args!(
        "its body has {}; send parameters in the query string, or in a body of the content type {FORM}",
        match essence.filter(|essence| !essence.is_empty()) {
            Some(essence) => format!("the content type {essence}"),
            None => "a Content-Type header that can't be read".to_owned(),
        }
    )))
}

const FORM: &str = "application/x-www-form-urlencoded";

impl<'a> Params<'a> {
    /// Takes a query string and a form body apart. Either may be empty.
    ///
    /// # Errors
    /// `ParseRequestParameterException` where text can't be decoded or a bound is exceeded, `InvalidParameter` where a name repeats.
    pub fn parse(query: &'a [u8], form: &'a [u8]) -> Result<Self, WireError> {
        let mut params = Self { sorted: Vec::with_capacity(USUAL_PARAMETERS) };
        params.append(query, Place::Query)?;
        params.append(form, Place::Body)?;
        params.in_order()
    }

    /// Of names and values that need no decoding.
    ///
    /// # Errors
    /// As of [`Self::parse`].
    pub fn of_pairs(pairs: &'a [(String, String)]) -> Result<Self, WireError> {
        if pairs.len() > MAX_PARAMETERS {
            return Err(too_many());
        }
        if pairs.iter().any(|(name, _)| name.len() > MAX_NAME_LEN) {
            return Err(name_too_long());
        }
        let param =
            |(name, value): &'a (String, String)| Param { name: name.into(), value: value.into(), place: Place::Body };
        Self { sorted: pairs.iter().map(param).collect() }.in_order()
    }

    fn in_order(mut self) -> Result<Self, WireError> {
        self.sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        match self.sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(WireError::invalid_parameter(&pair[0].name, "it is specified more than once")),
            None => Ok(self),
        }
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.sorted.binary_search_by(|param| param.name.as_ref().cmp(name)).ok()?;
        Some(&self.sorted[at].value)
    }

    /// A parameter that must be there; it may be empty.
    ///
    /// # Errors
    /// `MissingParameter`.
    pub fn required(&self, name: &str) -> Result<&str, WireError> {
        self.get(name).ok_or_else(|| WireError::missing_parameter(name))
    }

    /// A parameter that is `true` or `false` in any case.
    ///
    /// # Errors
    /// `InvalidParameter` for any other text.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, WireError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(WireError::invalid_parameter(name, "it must be true or false")),
        }
    }

    /// A parameter that is a decimal number without sign.
    ///
    /// # Errors
    /// `InvalidParameter` for other text, and for what exceeds 64 bits.
    pub fn integer(&self, name: &str) -> Result<Option<u64>, WireError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or_else(|| WireError::invalid_parameter(name, "it must be an integer"))
    }

    /// The flattened list `name.1`, `name.2`, … of at most `max` values; empty where there is none.
    ///
    /// # Errors
    /// `InvalidParameter` where an index is 0, beyond `max`, has leading zeros, or one before it is missing.
    pub fn list<'s>(&'s self, name: &'s str, max: usize) -> Result<Vec<&'s str>, WireError> {
        let mut slots = Slots::new(name, max);
        for (suffix, value) in self.below(name) {
            if let Some(index) = slots.index(suffix)? {
                *slots.at(index) = Some(value);
            }
        }
        slots.filled()
    }

    /// The flattened list of objects `name.1.Field`, … of at most `max` objects, each as the values of `fields`; other fields are ignored.
    ///
    /// # Errors
    /// As for [`Self::list`].
    pub fn objects<'s, const N: usize>(
        &'s self,
        name: &'s str,
        fields: [&str; N],
        max: usize,
    ) -> Result<Vec<[Option<&'s str>; N]>, WireError> {
        let mut slots = Slots::new(name, max);
        for (suffix, value) in self.below(name) {
            let Some((digits, field)) = suffix.split_once('.') else { continue };
            let Some(position) = fields.iter().position(|known| *known == field) else { continue };
            if let Some(index) = slots.index(digits)? {
                slots.at(index).get_or_insert([None; N])[position] = Some(value);
            }
        }
        slots.filled()
    }

    /// The flattened map `name.key` and its values, in the byte order of the keys.
    pub fn map<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.below(name)
    }

    /// All parameters in the byte order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Param<'a>> {
        self.sorted.iter()
    }

    fn append(&mut self, text: &'a [u8], place: Place) -> Result<(), WireError> {
        for pair in split::parts(text, b'&').map(|part| &text[part]).filter(|pair| !pair.is_empty()) {
            if self.sorted.len() == MAX_PARAMETERS {
                return Err(too_many());
            }
            let equals = memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = (&pair[..equals], pair.get(equals + 1..).unwrap_or_default());
            // A byte takes three at most, so that no longer name needs decoding.
            if name.len() > 3 * MAX_NAME_LEN {
                return Err(name_too_long());
            }
            let name = percent::decode(name)
                .map_err(|error| WireError::parse(format_args!("a parameter's name {}", reason(error))))?;
            if name.len() > MAX_NAME_LEN {
                return Err(name_too_long());
            }
            let value = percent::decode(value).map_err(|error| {
                WireError::parse(format_args!("the value of parameter \"{name}\" {}", reason(error)))
            })?;
            self.sorted.push(Param { name, value, place });
        }
        Ok(())
    }

    /// What follows `name.` in the names that begin so, with the values.
    fn below<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, &'s str)> {
        let suffix = move |param: &'s Param<'a>| param.name.strip_prefix(name)?.strip_prefix('.');
        // Byte order keeps names of one prefix together, after the prefix itself.
        let from = self.sorted.partition_point(|param| param.name.as_ref() < name);
        self.sorted[from..]
            .iter()
            .take_while(move |param| param.name.starts_with(name))
            .filter_map(move |param| Some((suffix(param)?, param.value.as_ref())))
    }
}

impl Drop for Params<'_> {
    fn drop(&mut self) {
        for param in &mut self.sorted {
            if let Cow::Owned(value) = &mut param.value {
                value.zeroize();
            }
        }
    }
}

impl Param<'_> {
    /// The decoded name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The decoded value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where it stood.
    pub fn place(&self) -> Place {
        self.place
    }
}

/// The places of a flattened list, filled in any order.
struct Slots<'n, T> {
    name: &'n str,
    max: usize,
    slots: Vec<Option<T>>,
}

impl<'n, T> Slots<'n, T> {
    fn new(name: &'n str, max: usize) -> Self {
        Self { name, max, slots: Vec::new() }
    }

    /// The zero-based index that `digits` names from one; `None` for text that is no number, which is another parameter's name.
    fn index(&self, digits: &str) -> Result<Option<usize>, WireError> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        match digits.parse::<usize>() {
            Ok(index) if (1..=self.max).contains(&index) && !digits.starts_with('0') => Ok(Some(index - 1)),
            _ => Err(WireError::invalid_parameter(
                &format!("{}.{digits}", self.name),
                format_args!("the list's elements are numbered from 1 to at most {}", self.max),
            )),
        }
    }

    fn at(&mut self, index: usize) -> &mut Option<T> {
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        &mut self.slots[index]
    }

    fn filled(self) -> Result<Vec<T>, WireError> {
        let name = self.name;
        let element = |(at, slot): (usize, Option<T>)| {
            slot.ok_or_else(|| WireError::missing_parameter(&format!("{name}.{}", at + 1)))
        };
        self.slots.into_iter().enumerate().map(element).collect()
    }
}

fn too_many() -> WireError {
    WireError::parse(format_args!("it has more than {MAX_PARAMETERS} parameters"))
}

fn name_too_long() -> WireError {
    WireError::parse(format_args!("a parameter's name is longer than {MAX_NAME_LEN} bytes"))
}

fn reason(error: DecodeError) -> &'static str {
    match error {
        DecodeError::Escape => "has a % that is not followed by two hexadecimal digits",
        DecodeError::Utf8 => "is not UTF-8",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Code;

    fn params<'a>(query: &'a str, form: &'a str) -> Params<'a> {
        Params::parse(query.as_bytes(), form.as_bytes()).unwrap()
    }

    fn refusal(query: &str) -> WireError {
        Params::parse(query.as_bytes(), b"").err().unwrap()
    }

    #[test]
    fn joins_query_and_form() {
        let params = params("Action=Encrypt&KeyId=alias%2Fa+b%2a~&&Empty&Blank=", "Plaintext=aGVsbG8%3D&Text=a=b");
        assert_eq!(params.get("Action"), Some("Encrypt"));
        assert_eq!(params.get("KeyId"), Some("alias/a b*~"));
        assert_eq!(params.get("Plaintext"), Some("aGVsbG8="));
        assert_eq!(params.get("Text"), Some("a=b"));
        assert_eq!((params.get("Empty"), params.get("Blank"), params.get("action")), (Some(""), Some(""), None));
        let places: Vec<_> = params.iter().map(|param| (param.name(), param.place())).collect();
        assert_eq!(places[0], ("Action", Place::Query));
        assert_eq!(places[4], ("Plaintext", Place::Body));
    }

    #[test]
    fn refuses_repeated_names() {
        for (query, form) in [("A=1&A=1", ""), ("A=1", "A=2"), ("A=1&%41=2", ""), ("A&B&A", "")] {
            let error = Params::parse(query.as_bytes(), form.as_bytes()).err().unwrap();
            assert_eq!(error.code, Code::InvalidParameter);
            assert!(error.message.contains("\"A\""), "{error}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_decoded_and_what_is_too_much() {
        assert!(refusal("KeyId=%zz").message.contains("\"KeyId\" has a %"));
        assert!(refusal("%ff=1").message.contains("name is not UTF-8"));
        let many = |count| (0..count).map(|i| format!("p{i}=")).collect::<Vec<_>>().join("&");
        assert!(Params::parse(many(MAX_PARAMETERS).as_bytes(), b"").is_ok());
        for query in [many(MAX_PARAMETERS + 1), "n".repeat(MAX_NAME_LEN + 1), "n".repeat(1 << 20), "KeyId=%".into()] {
            assert_eq!(refusal(&query).code, Code::ParseRequestParameterException);
        }
        assert!(Params::parse("%41".repeat(MAX_NAME_LEN).as_bytes(), b"").is_ok());
    }

    #[test]
    fn reads_typed_values() {
        let params = params("T=True&F=FALSE&N=0042&X=yes&Big=18446744073709551616&Signed=%2B1&None=", "");
        assert_eq!(params.boolean("T"), Ok(Some(true)));
        assert_eq!(params.boolean("F"), Ok(Some(false)));
        assert_eq!(params.boolean("Absent"), Ok(None));
        assert_eq!(params.boolean("X").unwrap_err().code, Code::InvalidParameter);
        assert_eq!(params.integer("N"), Ok(Some(42)));
        for name in ["X", "Big", "Signed", "None"] {
            assert_eq!(params.integer(name).unwrap_err().code, Code::InvalidParameter, "{name}");
        }
        assert_eq!(params.required("Absent").unwrap_err().code, Code::MissingParameter);
    }

    #[test]
    fn reads_lists_by_index() {
        let query = (1..=11).map(|i| format!("ResourceId.{i}=k{i}")).collect::<Vec<_>>().join("&")
            + "&ResourceId=x&ResourceIds.1=y&ResourceId.a=z";
        let params = params(&query, "");
        let expected: Vec<_> = (1..=11).map(|i| format!("k{i}")).collect();
        assert_eq!(params.list("ResourceId", 50).unwrap(), expected);
        assert!(params.list("ResourceId", 10).unwrap_err().message.contains("\"ResourceId.11\""));
        assert_eq!(params.list("Absent", 10).unwrap(), [""; 0]);
    }

    #[test]
    fn refuses_lists_with_gaps_or_odd_indexes() {
        assert_eq!(params("R.2=b", "").list("R", 5).unwrap_err(), WireError::missing_parameter("R.1"));
        assert_eq!(params("R.1=a&R.3=b", "").list("R", 5).unwrap_err(), WireError::missing_parameter("R.2"));
        for query in ["R.0=a", "R.01=a", "R.6=a", "R.99999999999999999999999=a"] {
            assert_eq!(params(query, "").list("R", 5).unwrap_err().code, Code::InvalidParameter, "{query}");
        }
    }

    #[test]
    fn reads_lists_of_objects() {
        let params =
            params("Tag.2.Value=v2&Tag.1.Key=k1&Tag.1.Value=&Tag.2.Key=k2&Tag.1.Scope=x&Tag.3=y&Tag.9.Other=z", "");
        assert_eq!(
            params.objects("Tag", ["Key", "Value"], 20).unwrap(),
            [[Some("k1"), Some("")], [Some("k2"), Some("v2")]]
        );
        assert_eq!(params.objects("Tag", ["Scope"], 20).unwrap(), [[Some("x")]]);
        assert_eq!(params.objects("Tag", ["Key"], 1).unwrap_err().code, Code::InvalidParameter);
    }

    #[test]
    fn only_forms_are_read_as_forms() {
        let with = |value: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(value))]);
        assert_eq!(form(&HeaderMap::new(), b"A=1"), Ok(&b"A=1"[..]));
        for own in ["application/x-www-form-urlencoded", "Application/x-www-form-urlencoded; charset=utf-8"] {
            assert_eq!(form(&with(own), b"A=1"), Ok(&b"A=1"[..]));
        }
        for (other, shown) in [
            ("application/json; charset=utf-8", "content type application/json;"),
            ("multipart/form-data; boundary=x", "content type multipart/form-data;"),
            ("application/octet-stream", "content type application/octet-stream;"),
            ("", "that can't be read"),
            ("x\"y", "that can't be read"),
        ] {
            let headers = with(other);
            assert_eq!(form(&headers, b""), Ok(&b""[..]), "{other}");
            let error = form(&headers, b"{}").unwrap_err();
            assert_eq!(error.code, Code::ParseRequestParameterException);
            assert!(error.message.contains(shown), "{error}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(query in ".{0,200}", form in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(params) = Params::parse(query.as_bytes(), &form) {
                let names: Vec<_> = params.iter().map(Param::name).collect();
                prop_assert!(names.is_sorted());
                for param in params.iter() {
                    prop_assert_eq!(params.get(param.name()), Some(param.value()));
                }
            }
        }

        #[test]
        fn hostile_lists_never_panic(query in "([RT]?\\.?[0-9]{0,3}\\.?K?=?[ab]?&){0,20}") {
            if let Ok(params) = Params::parse(query.as_bytes(), b"") {
                let _ = params.list("R", 50).map(|list| assert!(list.len() <= 50));
                let _ = params.objects("T", ["K", "V"], 20).map(|list| assert!(list.len() <= 20));
            }
        }

        #[test]
        fn every_parameter_is_found(map in prop::collection::btree_map("[A-Za-z0-9.]{1,12}", any::<String>(), 0..16), split in 0usize..16) {
            let mut texts = [crate::wire::wiping_buffer::WipingBuffer::default(), Default::default()];
            for (at, (name, value)) in map.iter().enumerate() {
                let text = &mut texts[usize::from(at >= split)];
                percent::encode(name.as_bytes(), text);
                text.push(b"=");
                percent::encode(value.as_bytes(), text);
                text.push(b"&");
            }
            let params = Params::parse(texts[0].as_slice(), texts[1].as_slice()).unwrap();
            prop_assert_eq!(params.iter().count(), map.len());
            for (name, value) in &map {
                prop_assert_eq!(params.get(name), Some(value.as_str()));
            }
        }
    }
}
