//! Tokens of SoftHSM2 for tests: of this crate, and of those above it, which take this file in by its path.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

pub const PIN: &str = "planted-pin-5Tz";

/// The module, where it is installed.
pub fn module() -> Option<PathBuf> {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
        "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    ];
    places.iter().map(PathBuf::from).find(|place| place.exists())
}

/// A directory of tokens, and the configuration that leads there.
pub struct SoftHsm {
    dir: tempfile::TempDir,
    module: PathBuf,
}

impl SoftHsm {
    /// One token with the label `keys`; none, with a word on why, where SoftHSM2 is not installed.
    pub fn new() -> Option<Self> {
        let Some(module) = module() else {
            assert!(std::env::var_os("CI").is_none(), "SoftHSM2 is missing; install the package softhsm2");
            eprintln!("skipped: SoftHSM2 is not installed (package softhsm2)");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let conf = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        std::fs::write(dir.path().join("softhsm2.conf"), conf).unwrap();
        let hsm = Self { dir, module };
        hsm.add_token("keys");
        Some(hsm)
    }

    pub fn add_token(&self, label: &str) {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN])
            .env("SOFTHSM2_CONF", self.conf())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    pub fn conf(&self) -> PathBuf {
        self.dir.path().join("softhsm2.conf")
    }

    pub fn module(&self) -> &Path {
        &self.module
    }

    /// Lets a command use the token.
    pub fn give_to(&self, command: &mut Command) {
        command.env("SOFTHSM2_CONF", self.conf()).env("YAOKU_PKCS11_PIN", PIN);
        command.arg("--pkcs11-module").arg(&self.module).args(["--pkcs11-token", "keys"]);
    }

    /// How many objects the tokens hold.
    pub fn objects(&self) -> usize {
        objects_of(&self.conf())
    }

    /// Runs the ignored tests of this test binary in a process of their own, one after the other: the library reads its
    /// configuration from the environment, once a process. Gives what they wrote.
    pub fn run_ignored_tests(&self) -> String {
        let tests = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env("SOFTHSM2_CONF", self.conf())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&tests.stdout), String::from_utf8_lossy(&tests.stderr));
        assert!(tests.status.success(), "{out}\n{err}");
        out.into_owned()
    }
}

/// How many objects the tokens beside that configuration hold: SoftHSM2 keeps a file of each.
pub fn objects_of(conf: &Path) -> usize {
    let tokens = std::fs::read_dir(conf.with_file_name("tokens")).unwrap();
    let files = tokens.flat_map(|token| std::fs::read_dir(token.unwrap().path()).unwrap());
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".object") && name != "token.object").count()
}
