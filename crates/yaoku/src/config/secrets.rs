//! Reads secrets: from a file, an environment variable, or the terminal.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use yaoku_crypto::Secret;
use zeroize::Zeroize;

use crate::Error;

/// Where the seal's passphrase may be.
pub(super) const PASSPHRASE_VARIABLE: &str = "YAOKU_SEAL_PASSPHRASE";
/// Where the user PIN of the HSM's token may be.
pub(super) const PIN_VARIABLE: &str = "YAOKU_PKCS11_PIN";
/// Where the root AccessKey's secret may be.
pub(super) const ROOT_SECRET_VARIABLE: &str = "YAOKU_ROOT_ACCESS_KEY_SECRET";

/// Where the secret of a client's AccessKey may be.
const ACCESS_KEY_SECRET_VARIABLE: &str = "YAOKU_ACCESS_KEY_SECRET";

/// Variables that are no options.
pub(crate) const SECRET_VARIABLES: [&str; 4] =
    [PASSPHRASE_VARIABLE, PIN_VARIABLE, ROOT_SECRET_VARIABLE, ACCESS_KEY_SECRET_VARIABLE];

/// The most bytes of a secret's file.
const MAX_FILE: u64 = 64 << 10;

/// The secret in a file or else in a variable; none if neither is given.
///
/// # Errors
/// When both are given, the file can't be read, or the secret is empty.
pub(super) fn given(
    file: Option<&Path>,
    variable: &str,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Secret>, Error> {
    let held = environment(variable).filter(|value| !value.is_empty());
    match (file, held) {
        (None, None) => Ok(None),
        (None, Some(value)) => Ok(Some(Secret::new(value.into_encoded_bytes()))),
        (Some(path), None) => read(path).map(Some),
        (Some(path), Some(value)) => {
            value.into_encoded_bytes().zeroize();
            let path = path.display();
            Err(Error::Options(format!("both {variable} and the file {path} are set; use only one of them")))
        }
    }
}

/// The secret of a client's AccessKey, from its file or else the environment; none if neither is given.
///
/// # Errors
/// As [`given`], and when others than its owner have access to the file.
pub(crate) fn access_key_secret(
    file: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Secret>, Error> {
    if let Some(path) = file {
        let mode = std::fs::metadata(path).map_err(Error::file(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(Error::Options(format!(
                "others than its owner have access to {path}, which holds a secret: chmod 600 {path}"
            )));
        }
    }
    given(file, ACCESS_KEY_SECRET_VARIABLE, environment)
}

/// A secret asked from the terminal.
///
/// # Errors
/// When there is no terminal.
pub(super) fn ask(prompt: &str) -> Result<Secret, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Options(format!(
            "the seal needs its passphrase: set {PASSPHRASE_VARIABLE}, or name a file with --seal-passphrase-file"
        )));
    }
    let typed = rpassword::prompt_password(prompt).map_err(Error::file("the terminal"))?;
    let typed = Secret::new(typed.into_bytes());
    if typed.is_empty() { Err(Error::Options("the passphrase is empty".into())) } else { Ok(typed) }
}

/// The content of a file without the newline at its end.
fn read(path: &Path) -> Result<Secret, Error> {
    let length = std::fs::metadata(path).map_err(Error::file(path))?.len();
    if length > MAX_FILE {
        return Err(Error::Options(format!("{} is too large to hold a secret", path.display())));
    }
    let whole = Secret::new(std::fs::read(path).map_err(Error::file(path))?);
    let bytes = whole.expose();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.is_empty() {
        return Err(Error::Options(format!("{} is empty; it must contain the secret", path.display())));
    }
    Ok(Secret::new(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<OsString> {
        None
    }

    fn planted(name: &str) -> Option<OsString> {
        (name == "V").then(|| "from the environment".into())
    }

    #[test]
    fn a_file_loses_its_last_newline_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (content, expected) in [("a b\n", "a b"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), (" a ", " a ")] {
            std::fs::write(&path, content).unwrap();
            let read = given(Some(&path), "V", &none).unwrap().unwrap();
            assert_eq!(read.expose(), expected.as_bytes());
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(given(Some(&path), "V", &none).err().unwrap().to_string().contains("is empty"));
    }

    #[test]
    fn an_access_key_secret_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "s\n").unwrap();
        for (mode, fits) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(access_key_secret(Some(&path), &none).is_ok(), fits, "{mode:o}");
        }
        assert!(access_key_secret(None, &none).unwrap().is_none());
    }

    #[test]
    fn one_place_is_enough_and_two_are_too_many() {
        assert!(given(None, "V", &none).unwrap().is_none());
        assert_eq!(given(None, "V", &planted).unwrap().unwrap().expose(), b"from the environment");
        let error = given(Some(Path::new("/x")), "V", &planted).err().unwrap().to_string();
        assert!(error.contains("both V and the file /x are set") && !error.contains("from the"), "{error}");
        assert!(given(Some(Path::new("/nonexistent")), "V", &none).is_err());
    }
}
