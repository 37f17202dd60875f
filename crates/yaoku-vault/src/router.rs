//! What a request asks for, from its method and path alone.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use yaoku_iam::Access;

use crate::failure::{Code, Failure};

/// Bytes of a path: more than any alias or secret takes, however it is encoded.
const MAX_PATH: usize = 4096;
/// Bytes of a name in a path: more than any alias or secret has.
const MAX_NAME: usize = 1024;

/// Declares [`Act`] with each one's name in records and metrics, and whether it changes anything.
macro_rules! acts {
    ($($variant:ident = $name:literal, $access:ident;)*) => {
        /// One thing that can be asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Act {
            $($variant,)*
        }

        impl Act {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in records and metrics.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether it changes anything.
            pub(crate) const fn access(self) -> Access {
                match self {
                    $(Self::$variant => Access::$access,)*
                }
            }
        }
    };
}

acts! {
    Health = "sys/health", Read;
    SealStatus = "sys/seal-status", Read;
    Leader = "sys/leader", Read;
    Init = "sys/init", Read;
    Mounts = "sys/mounts", Read;
    Mount = "sys/mounts/mount", Read;
    Tune = "sys/mounts/mount/tune", Read;
    UiMounts = "sys/internal/ui/mounts", Read;
    UiMount = "sys/internal/ui/mounts/mount", Read;
    CapabilitiesSelf = "sys/capabilities-self", Read;
    Capabilities = "sys/capabilities", Read;
    AppRoleLogin = "auth/approle/login", Write;
    CertificateLogin = "auth/cert/login", Write;
    LookupSelf = "auth/token/lookup-self", Read;
    Lookup = "auth/token/lookup", Read;
    RenewSelf = "auth/token/renew-self", Write;
    Renew = "auth/token/renew", Write;
    RevokeSelf = "auth/token/revoke-self", Write;
    Revoke = "auth/token/revoke", Write;
    CreateKey = "transit/keys/create", Write;
    ReadKey = "transit/keys/read", Read;
    ListKeys = "transit/keys/list", Read;
    DeleteKey = "transit/keys/delete", Write;
    RotateKey = "transit/keys/rotate", Write;
    ConfigureKey = "transit/keys/config", Write;
    Encrypt = "transit/encrypt", Read;
    Decrypt = "transit/decrypt", Read;
    Rewrap = "transit/rewrap", Read;
    DataKeyPlaintext = "transit/datakey/plaintext", Read;
    DataKeyWrapped = "transit/datakey/wrapped", Read;
    Sign = "transit/sign", Read;
    Verify = "transit/verify", Read;
    Hmac = "transit/hmac", Read;
    Hash = "transit/hash", Read;
    Random = "transit/random", Read;
    ReadSecret = "kv/data/read", Read;
    WriteSecret = "kv/data/write", Write;
    DeleteCurrent = "kv/data/delete", Write;
    DeleteVersions = "kv/delete", Write;
    UndeleteVersions = "kv/undelete", Write;
    DestroyVersions = "kv/destroy", Write;
    ReadMetadata = "kv/metadata/read", Read;
    ListSecrets = "kv/metadata/list", Read;
    WriteMetadata = "kv/metadata/write", Write;
    DeleteSecret = "kv/metadata/delete", Write;
    ReadConfig = "kv/config/read", Read;
}

impl Act {
    /// Whether it is answered to whoever asks, and leaves no record: what operators and clients probe.
    pub(crate) const fn is_probe(self) -> bool {
        matches!(self, Self::Health | Self::SealStatus | Self::Leader | Self::Init)
    }

    /// Whether it takes something away, for which there is always room.
    pub(crate) const fn revokes(self) -> bool {
        matches!(
            self,
            Self::RevokeSelf
                | Self::Revoke
                | Self::DeleteKey
                | Self::DeleteCurrent
                | Self::DeleteVersions
                | Self::DestroyVersions
                | Self::DeleteSecret
        )
    }

    /// Whether its caller has no token yet.
    pub(crate) const fn is_login(self) -> bool {
        matches!(self, Self::AppRoleLogin | Self::CertificateLogin)
    }

    /// Its position among those that are counted.
    pub(crate) const fn number(self) -> usize {
        self as usize
    }
}

/// A path without what encodes characters in it: `%2F` is a slash like any other, as for other servers of this API, so that no two
/// readers of a path see different things in it.
#[derive(Debug)]
pub(crate) struct Decoded<'a>(Result<Cow<'a, str>, Failure>);

impl<'a> Decoded<'a> {
    /// The path of a request.
    pub(crate) fn new(path: &'a str) -> Self {
        let decoded = percent_decode_str(path).decode_utf8();
        Self(decoded.map_err(|_| not_found()).and_then(Self::checked))
    }

    /// A path in which nothing is encoded.
    pub(crate) fn plain(path: &'a str) -> Self {
        Self(Self::checked(path.into()))
    }

    /// Refuses what programs on the way could take for another path.
    fn checked(path: Cow<'a, str>) -> Result<Cow<'a, str>, Failure> {
        let segments = path.strip_suffix('/').unwrap_or(&path).split('/').skip(1);
        match path.len() <= MAX_PATH && !path.contains(char::is_control) && segments.clone().all(is_segment) {
            true => Ok(path),
            false => Err(not_found()),
        }
    }
}

/// Whether a segment of a path names something in every program's view.
pub(crate) fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) act: Act,
    /// The key, the secret or the mount that it names; empty if it names none.
    pub(crate) name: Cow<'a, str>,
    /// What else stands in the path: an algorithm, a number of bytes.
    pub(crate) rest: Vec<&'a str>,
}

/// What a method asks for. POST and PUT are the same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Read,
    Write,
    List,
    Delete,
}

/// Reads method, path and query.
///
/// # Errors
/// [`Code::NotFound`] for what is no path, [`Code::UnsupportedMethod`], and [`Code::UnsupportedOperation`] for what the API has and
/// this server does not do.
pub(crate) fn route<'a>(
    method: &Method,
    Decoded(path): &'a Decoded<'_>,
    query: Option<&str>,
) -> Result<Route<'a>, Failure> {
    let verb = verb(method, query)?;
    let path = path.as_deref().map_err(Failure::clone)?.strip_prefix("/v1/").ok_or_else(not_found)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let parts: Vec<&str> = path.splitn(16, '/').collect();
    match parts.as_slice() {
        ["sys", rest @ ..] => sys(verb, rest),
        ["auth", rest @ ..] => auth(verb, rest),
        ["transit", rest @ ..] => transit(verb, rest),
        [mount, rest @ ..] => key_value(verb, mount, rest),
        [] => Err(not_found()),
    }
}

fn verb(method: &Method, query: Option<&str>) -> Result<Verb, Failure> {
    let is_yes = |text: &str| matches!(text, "true" | "TRUE" | "True" | "t" | "T" | "1");
    let lists = || query?.split('&').find_map(|pair| pair.strip_prefix("list=")).map(is_yes);
    let lists = || lists().unwrap_or_default();
    Ok(match *method {
        Method::GET | Method::HEAD if lists() => Verb::List,
        Method::GET | Method::HEAD => Verb::Read,
        Method::POST | Method::PUT => Verb::Write,
        Method::DELETE => Verb::Delete,
        _ if method.as_str() == "LIST" => Verb::List,
        _ => return Err(Failure::method()),
    })
}

fn sys<'a>(verb: Verb, rest: &[&'a str]) -> Result<Route<'a>, Failure> {
    let read = |act| if verb == Verb::Read { Ok(Route::plain(act)) } else { Err(Failure::method()) };
    match rest {
        ["health"] => read(Act::Health),
        ["seal-status"] => read(Act::SealStatus),
        ["leader"] => read(Act::Leader),
        ["init"] => read(Act::Init),
        ["mounts"] => read(Act::Mounts),
        ["mounts", mount @ .., "tune"] if !mount.is_empty() => read(Act::Tune)?.named(mount),
        ["mounts", mount @ ..] => read(Act::Mount)?.named(mount),
        ["internal", "ui", "mounts"] => read(Act::UiMounts),
        ["internal", "ui", "mounts", mount @ ..] => read(Act::UiMount)?.named(mount),
        ["capabilities-self"] if verb == Verb::Write => Ok(Route::plain(Act::CapabilitiesSelf)),
        ["capabilities"] if verb == Verb::Write => Ok(Route::plain(Act::Capabilities)),
        ["capabilities-self" | "capabilities"] => Err(Failure::method()),
        ["capabilities-accessor"] => Err(no_accessors("sys/capabilities-accessor")),
        [
            "wrapping" | "policies" | "policy" | "auth" | "audit" | "unseal" | "seal" | "step-down" | "leases"
            | "storage" | "namespaces" | "tools" | "plugins" | "rekey" | "rotate" | "generate-root" | "license"
            | "quotas",
            ..,
        ] => Err(Failure::unsupported(format!(
            "sys/{} is not supported by this server; accounts, users and policies are managed with the RAM API",
            rest[0]
        ))),
        _ => Err(not_found()),
    }
}

fn auth<'a>(verb: Verb, rest: &[&'a str]) -> Result<Route<'a>, Failure> {
    let write = |act| if verb == Verb::Write { Ok(Route::plain(act)) } else { Err(Failure::method()) };
    match rest {
        ["approle", "login"] => write(Act::AppRoleLogin),
        ["cert", "login"] => write(Act::CertificateLogin),
        ["token", "lookup-self"] if verb == Verb::Read => Ok(Route::plain(Act::LookupSelf)),
        ["token", "lookup-self"] => write(Act::LookupSelf),
        ["token", "lookup"] => write(Act::Lookup),
        ["token", "renew-self"] => write(Act::RenewSelf),
        ["token", "renew"] => write(Act::Renew),
        ["token", "revoke-self"] => write(Act::RevokeSelf),
        ["token", "revoke"] => write(Act::Revoke),
        ["token", "accessors"] => Err(no_accessors("auth/token/accessors")),
        ["token", "lookup-accessor"] => Err(no_accessors("auth/token/lookup-accessor")),
        ["token", "renew-accessor"] => Err(no_accessors("auth/token/renew-accessor")),
        ["token", "revoke-accessor"] => Err(no_accessors("auth/token/revoke-accessor")),
        ["token", ..] => Err(Failure::unsupported(
            "this server makes tokens with `yaoku ram token create` and by logins; of auth/token, only lookup, renew and revoke \
             are supported",
        )),
        ["approle", ..] => Err(Failure::unsupported(
            "roles are AccessKeys here, which are managed with the RAM API; only auth/approle/login is supported",
        )),
        ["cert", ..] => Err(Failure::unsupported(
            "certificates are bound with `yaoku ram certificate bind`; only auth/cert/login is supported",
        )),
        [method, ..] => Err(Failure::unsupported(format!(
            "the auth method {} is not supported by this server: use a token, approle or cert",
            yaoku_gate::repeatable(method)
        ))),
        [] => Err(not_found()),
    }
}

fn no_accessors(path: &str) -> Failure {
    Failure::unsupported(format!(
        "{path} is not supported by this server: name the token itself; administrators list and revoke tokens by their IDs with \
         `yaoku ram token`"
    ))
}

fn transit<'a>(verb: Verb, rest: &[&'a str]) -> Result<Route<'a>, Failure> {
    let write = |act| if verb == Verb::Write { Ok(Route::plain(act)) } else { Err(Failure::method()) };
    let key = |act: Result<Route<'a>, Failure>, name: &&'a str| act?.named(&[*name]);
    match rest {
        ["keys"] => match verb {
            Verb::List => Ok(Route::plain(Act::ListKeys)),
            Verb::Read | Verb::Write | Verb::Delete => Err(Failure::method()),
        },
        ["keys", name] => {
            let act = match verb {
                Verb::Read => Act::ReadKey,
                Verb::Write => Act::CreateKey,
                Verb::Delete => Act::DeleteKey,
                Verb::List => return Err(Failure::method()),
            };
            key(Ok(Route::plain(act)), name)
        }
        ["keys", name, "rotate"] => key(write(Act::RotateKey), name),
        ["keys", name, "config"] => key(write(Act::ConfigureKey), name),
        ["keys", _, "trim"] => Err(Failure::unsupported("versions of a key can't be trimmed on this server")),
        ["keys", _, "import" | "import_version"] => Err(Failure::unsupported(
            "keys are imported with GetParametersForImport and ImportKeyMaterial of the KMS API, not by transit",
        )),
        ["encrypt", name] => key(write(Act::Encrypt), name),
        ["decrypt", name] => key(write(Act::Decrypt), name),
        ["rewrap", name] => key(write(Act::Rewrap), name),
        ["datakey", "plaintext", name] => key(write(Act::DataKeyPlaintext), name),
        ["datakey", "wrapped", name] => key(write(Act::DataKeyWrapped), name),
        ["sign", name, rest @ ..] if rest.len() <= 1 => key(write(Act::Sign), name).map(|route| route.with(rest)),
        ["verify", name, rest @ ..] if rest.len() <= 1 => key(write(Act::Verify), name).map(|route| route.with(rest)),
        ["hmac", name, rest @ ..] if rest.len() <= 1 => key(write(Act::Hmac), name).map(|route| route.with(rest)),
        ["hash", rest @ ..] if rest.len() <= 1 => write(Act::Hash).map(|route| route.with(rest)),
        ["random", rest @ ..] if rest.len() <= 2 => write(Act::Random).map(|route| route.with(rest)),
        ["export" | "byok-export", ..] => {
            Err(Failure::unsupported("customer master keys never leave this server, so there is no export"))
        }
        ["backup" | "restore", ..] => Err(Failure::unsupported(
            "customer master keys never leave this server; back up all of it with `yaoku backup`",
        )),
        ["cache-config" | "config" | "wrapping_key", ..] => {
            Err(Failure::unsupported(format!("transit/{} is not supported by this server", rest[0])))
        }
        _ => Err(not_found()),
    }
}

/// The mount whose secrets have names without a mount before them.
pub(crate) const SECRET_MOUNT: &str = "secret";

/// Version 2 of the key-value engine, which every mount is that is nothing else.
fn key_value<'a>(verb: Verb, mount: &'a str, rest: &[&'a str]) -> Result<Route<'a>, Failure> {
    let named = |act, path: &[&'a str]| {
        let all: Vec<&str> = if mount == SECRET_MOUNT { path.to_vec() } else { [&[mount], path].concat() };
        match all.as_slice() {
            [] => Ok(Route::plain(act)),
            all => Route::plain(act).named(all),
        }
    };
    let secret = |act, path: &[&'a str]| if path.is_empty() { Err(not_found()) } else { named(act, path) };
    let write = |act, path| if verb == Verb::Write { secret(act, path) } else { Err(Failure::method()) };
    match rest {
        ["data", path @ ..] => match verb {
            Verb::Read => secret(Act::ReadSecret, path),
            Verb::Write => secret(Act::WriteSecret, path),
            Verb::Delete => secret(Act::DeleteCurrent, path),
            Verb::List => Err(Failure::method()),
        },
        ["metadata", path @ ..] => match verb {
            Verb::List => named(Act::ListSecrets, path),
            Verb::Read => secret(Act::ReadMetadata, path),
            Verb::Write => secret(Act::WriteMetadata, path),
            Verb::Delete => secret(Act::DeleteSecret, path),
        },
        ["delete", path @ ..] => write(Act::DeleteVersions, path),
        ["undelete", path @ ..] => write(Act::UndeleteVersions, path),
        ["destroy", path @ ..] => write(Act::DestroyVersions, path),
        ["config"] => match verb {
            Verb::Read => Ok(Route::plain(Act::ReadConfig)),
            Verb::Write => Err(Failure::unsupported("mounts have no configuration of their own on this server")),
            Verb::List | Verb::Delete => Err(Failure::method()),
        },
        ["subkeys", ..] => Err(Failure::unsupported("subkeys are not supported by this server: read data")),
        _ => Err(Failure::new(
            Code::NotFound,
            "there is nothing at this path; of key-value engines, version 2 is served: MOUNT/data/PATH",
        )),
    }
}

fn not_found() -> Failure {
    Failure::new(Code::NotFound, "there is nothing at this path")
}

impl<'a> Route<'a> {
    const fn plain(act: Act) -> Self {
        Self { act, name: Cow::Borrowed(""), rest: Vec::new() }
    }

    /// With what the path names.
    fn named(self, parts: &[&'a str]) -> Result<Self, Failure> {
        let name = match parts {
            [part] => Cow::Borrowed(*part),
            _ => parts.join("/").into(),
        };
        match (1..=MAX_NAME).contains(&name.len()) {
            true => Ok(Self { name, ..self }),
            false => Err(not_found()),
        }
    }

    fn with(self, rest: &[&'a str]) -> Self {
        Self { rest: rest.to_vec(), ..self }
    }
}

/// Routes any method, path and query.
pub fn fuzz(method: &[u8], path: &str, query: Option<&str>) {
    if let Ok(method) = Method::from_bytes(method) {
        let _ = route(&method, &Decoded::new(path), query).is_ok();
        let _ = route(&method, &Decoded::plain(path), query).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn act(method: &str, path: &str) -> Result<(Act, String), Code> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let path = Decoded::new(path);
        let found = route(&Method::from_bytes(method.as_bytes()).unwrap(), &path, query);
        found.map(|route| (route.act, route.name.into_owned())).map_err(|failure| failure.code)
    }

    #[test]
    fn post_and_put_are_the_same_and_lists_have_two_forms() {
        for method in ["POST", "PUT"] {
            assert_eq!(act(method, "/v1/transit/encrypt/k"), Ok((Act::Encrypt, "k".into())));
        }
        for (method, path) in
            [("LIST", "/v1/transit/keys"), ("LIST", "/v1/transit/keys/"), ("GET", "/v1/transit/keys?a=b&list=TRUE")]
        {
            assert_eq!(act(method, path), Ok((Act::ListKeys, String::new())));
        }
        assert_eq!(act("GET", "/v1/transit/keys"), Err(Code::UnsupportedMethod));
        assert_eq!(act("GET", "/v1/transit/keys?list=false"), Err(Code::UnsupportedMethod));
        assert_eq!(act("GET", "/v1/transit/encrypt/k"), Err(Code::UnsupportedMethod));
        assert_eq!(act("TRACE", "/v1/transit/keys/k"), Err(Code::UnsupportedMethod));
    }

    #[test]
    fn names_are_decoded_and_what_is_none_is_not_found() {
        assert_eq!(act("GET", "/v1/transit/keys/%61%2db"), Ok((Act::ReadKey, "a-b".into())));
        for (encoded, plain) in [
            ("/v1/%73ecret%2Fdata%2Fa", "/v1/secret/data/a"),
            ("/v1/transit/keys%2fk/rotate", "/v1/transit/keys/k/rotate"),
            ("/v1/%73ys/mounts", "/v1/sys/mounts"),
        ] {
            for method in ["GET", "POST"] {
                assert_eq!(act(method, encoded), act(method, plain), "{encoded}");
            }
        }
        assert_eq!(act("GET", "/v1/sys/mounts/a/b/tune"), Ok((Act::Tune, "a/b".into())));
        for path in [
            "/",
            "",
            "/v1",
            "/v1/",
            "/v2/sys/health",
            "/v1/transit",
            "/v1/transit/keys/%ff",
            "/v1/transit/keys/a%0ab",
            "/v1/transit/keys/a/b/c",
            "/v1/sys",
            "/v1/auth",
            "/v1/sys/nothing",
            "/v1/transit/keys//rotate",
            "/v1/transit/keys/a%2Fb%2Fc",
            "/v1/secret/data//a",
            "/v1/secret/data/a//b",
            "/v1/secret/data/a/../b",
            "/v1/secret/data/%2e%2e/b",
            "/v1/secret/data/a%2f..%2fb",
            "/v1/secret/data/.",
            "//v1/secret/data/a",
            "/v1//secret/data/a",
            "/v1/../v1/secret/data/a",
            "/v1/secret/data/a//",
        ] {
            assert_eq!(act("POST", path).unwrap_err(), Code::NotFound, "{path}");
        }
        assert_eq!(act("GET", &format!("/v1/transit/keys/{}", "x".repeat(MAX_NAME + 1))), Err(Code::NotFound));
        assert_eq!(act("POST", &format!("/v1/transit/sign/k/{}", "x".repeat(MAX_PATH))), Err(Code::NotFound));
    }

    #[test]
    fn any_other_mount_is_one_of_secrets() {
        for (method, path, expected, name) in [
            ("GET", "secret/data/db/shop", Act::ReadSecret, "db/shop"),
            ("PUT", "secret/data/db%2Fshop", Act::WriteSecret, "db/shop"),
            ("DELETE", "mysql/data/1", Act::DeleteCurrent, "mysql/1"),
            ("POST", "mysql/undelete/1", Act::UndeleteVersions, "mysql/1"),
            ("GET", "mysql/metadata/?list=true", Act::ListSecrets, "mysql"),
            ("LIST", "secret/metadata", Act::ListSecrets, ""),
            ("LIST", "secret/metadata/db/", Act::ListSecrets, "db"),
            ("DELETE", "secret/metadata/db", Act::DeleteSecret, "db"),
            ("GET", "secret/config", Act::ReadConfig, ""),
        ] {
            assert_eq!(act(method, &format!("/v1/{path}")), Ok((expected, name.into())), "{method} {path}");
        }
        for path in ["secret/data", "secret/metadata/", "secret/s", "secret", "/data/s", "secret/data/%ff"] {
            assert_eq!(act("GET", &format!("/v1/{path}")), Err(Code::NotFound), "{path}");
        }
        assert_eq!(act("GET", "/v1/secret/delete/s"), Err(Code::UnsupportedMethod));
        assert_eq!(act("POST", "/v1/secret/config"), Err(Code::UnsupportedOperation));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for path in [
            "/v1/transit/export/encryption-key/k",
            "/v1/transit/backup/k",
            "/v1/transit/keys/k/trim",
            "/v1/auth/userpass/login/u",
            "/v1/auth/token/create",
            "/v1/auth/token/lookup-accessor",
            "/v1/sys/capabilities-accessor",
            "/v1/sys/wrapping/wrap",
        ] {
            assert_eq!(act("POST", path), Err(Code::UnsupportedOperation), "{path}");
        }
    }

    #[test]
    fn acts_are_numbered_as_they_are_listed() {
        assert!(Act::ALL.iter().enumerate().all(|(at, act)| act.number() == at));
    }

    proptest! {
        #[test]
        fn any_path_is_routed_without_panic(method in "[A-Z]{1,6}", path in ".{0,80}", query in proptest::option::of(".{0,20}")) {
            fuzz(method.as_bytes(), &path, query.as_deref());
            fuzz(method.as_bytes(), &format!("/v1/{path}"), query.as_deref());
        }
    }
}
