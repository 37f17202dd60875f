//! In which form the caller wants the answer.

use http::{HeaderMap, header::ACCEPT};

use super::{Params, WireError};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A JSON object.
    #[default]
    Json,
    /// An XML document.
    Xml,
}

impl Format {
    /// What the request asks for: the parameter `Format` if there is one, else the first known type of the `Accept` header, else
    /// what is `usual` for its API.
    ///
    /// # Errors
    /// `InvalidParameter` where `Format` is neither JSON nor XML; answer that in [`Self::accepted`]'s form.
    pub fn requested(params: &Params<'_>, headers: &HeaderMap, usual: Self) -> Result<Self, WireError> {
        match params.get("Format") {
            None | Some("") => Ok(Self::accepted(headers, usual)),
            Some(format) if format.eq_ignore_ascii_case("json") => Ok(Self::Json),
            Some(format) if format.eq_ignore_ascii_case("xml") => Ok(Self::Xml),
            Some(_) => Err(WireError::invalid_parameter("Format", "it must be JSON or XML")),
        }
    }

    /// The form that the `Accept` header alone asks for, else the usual one: all that is known of a request which can't be
    /// parsed.
    ///
    /// Weights (`q=`) are not looked at: no client of this protocol sends them.
    pub fn accepted(headers: &HeaderMap, usual: Self) -> Self {
        let ranges = headers.get_all(ACCEPT).into_iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        ranges
            .filter_map(|range| {
                let essence = range.split(|&byte| byte == b';').next()?.trim_ascii();
                let is = |name: &[u8]| essence.eq_ignore_ascii_case(name);
                if is(b"application/json") || is(b"text/json") {
                    Some(Self::Json)
                } else if is(b"application/xml") || is(b"text/xml") {
                    Some(Self::Xml)
                } else {
                    None
                }
            })
            .next()
            .unwrap_or(usual)
    }

    /// The value of `Content-Type`. SDKs compare it as text, so it has no blank.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json;charset=utf-8",
            Self::Xml => "text/xml;charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::wire::Code;

    fn requested(query: &str, accept: Option<&'static str>) -> Result<Format, WireError> {
        let headers = accept.map(|value| (ACCEPT, HeaderValue::from_static(value))).into_iter().collect();
        Format::requested(&Params::parse(query.as_bytes(), b"").unwrap(), &headers, Format::Json)
    }

    #[test]
    fn the_parameter_rules_over_the_header() {
        assert_eq!(requested("Format=Xml", Some("application/json")), Ok(Format::Xml));
        assert_eq!(requested("Format=json", Some("text/xml")), Ok(Format::Json));
        assert_eq!(requested("Format=YAML", None).unwrap_err().code, Code::InvalidParameter);
    }

    #[test]
    fn the_header_serves_where_there_is_no_parameter() {
        for (accept, format) in [
            (None, Format::Json),
            (Some("application/json"), Format::Json),
            (Some("text/xml;charset=utf-8"), Format::Xml),
            (Some("text/html, APPLICATION/XML;q=0.9, application/json"), Format::Xml),
            (Some("*/*"), Format::Json),
            (Some(",;,"), Format::Json),
        ] {
            assert_eq!(requested("", accept), Ok(format), "{accept:?}");
        }
        assert_eq!(requested("Format=", Some("application/xml")), Ok(Format::Xml));
    }

    #[test]
    fn each_api_has_its_own_where_nothing_is_asked_for() {
        let params = |query: &'static str| Params::parse(query.as_bytes(), b"").unwrap();
        let none = HeaderMap::new();
        for usual in [Format::Json, Format::Xml] {
            assert_eq!(Format::requested(&params(""), &none, usual), Ok(usual));
            assert_eq!(Format::requested(&params("Format="), &none, usual), Ok(usual));
            assert_eq!(Format::requested(&params("Format=JSON"), &none, usual), Ok(Format::Json));
            assert_eq!(Format::accepted(&none, usual), usual);
        }
        let json = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        assert_eq!(Format::accepted(&json, Format::Xml), Format::Json);
    }
}
