//! What a refused call may cost: however much it says, it leaves little in the audit log and in the server's own.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use support::{ACCESS_KEY_ID, Client, RAM, Server, encode, files_below, log_of, records};

/// Bytes in the audit log, its signed checkpoint included, and in the server's own.
const IN_AUDIT_LOG: u64 = 6 << 10;
const IN_LOG: u64 = 2 << 10;

struct World {
    server: Server,
    data: PathBuf,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let server = Server::start_with(&data, |command| {
            command.args(["--log", "info"]);
        });
        Self { server, data, _dir: dir }
    }

    /// How many bytes a call leaves in either log.
    #[track_caller]
    fn leaves_little(&self, what: &str, call: impl FnOnce() -> u16) {
        let before = self.sizes();
        let status = call();
        assert!((400..500).contains(&status), "{what}: {status}");
        let after = self.sizes();
        let left = (after.0 - before.0, after.1 - before.1);
        assert!(left.0 > 0, "{what} left no record");
        assert!(left.0 <= IN_AUDIT_LOG && left.1 <= IN_LOG, "{what} left {left:?} bytes");
    }

    fn sizes(&self) -> (u64, u64) {
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        let audit = files_below(&self.data.join("audit"));
        (audit.iter().map(|file| size(file)).sum(), size(&log_of(&self.data)))
    }

    /// A request as it is, without any library's opinion of it; the status of its answer.
    fn raw(&self, request: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn refused_calls_of_every_kind_leave_little_and_the_log_verifies() {
    let world = World::new();
    let root = world.server.client();
    let ram = root.at(RAM);
    ram.call("CreateUser", &[("UserName", "nobody")]).ok();
    let key = ram.call("CreateAccessKey", &[("UserName", "nobody")]).ok();
    let nobody = Client {
        access_key_id: key.text("AccessKey/AccessKeyId").to_owned(),
        secret: key.text("AccessKey/AccessKeySecret").to_owned(),
        ..root.clone()
    };

    // What takes the most room: JSON and terminals have each of these written as more than itself.
    for loud in ["x", "\"", "\\", "\u{1b}", "\u{202e}", "😀"] {
        let params = |names: &str, count: usize, len: usize| -> Vec<(String, String)> {
            let text = loud.repeat(len);
            (0..count).map(|number| (format!("{names}.{number}{}", loud.repeat(len.min(40))), text.clone())).collect()
        };
        let refused = |client: &Client, action: &str, params: &[(String, String)]| {
            let params: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            client.call(action, &params).status
        };
        let many = params("Tag", 200, 4);
        let large = params("Tag", 12, 180);
        for (what, params) in [("many parameters", &many), ("large parameters", &large)] {
            world.leaves_little(&format!("{what} of {loud:?} without permission"), || {
                refused(&nobody.at(RAM), "ListTagResources", params)
            });
            world.leaves_little(&format!("{what} of {loud:?} that are not valid"), || {
                refused(&ram, "CreateRole", params)
            });
            world.leaves_little(&format!("{what} of {loud:?} to no action"), || {
                refused(&nobody, "NoSuchAction", params)
            });
        }
        let long = [("KeyId".to_owned(), loud.repeat(3000)), ("Description".to_owned(), loud.repeat(800))];
        world.leaves_little(&format!("a long name of {loud:?}"), || refused(&nobody, "DescribeKey", &long));
        world.leaves_little(&format!("a long alias of {loud:?}"), || {
            let names = [("AliasName".to_owned(), format!("alias/{}", loud.repeat(2000)))];
            refused(&nobody, "CreateAlias", &names)
        });
    }
    let visible: String = (33..127_u8).map(char::from).collect::<String>().repeat(80);
    for (what, text) in [("quotes", "\"".repeat(7000)), ("anything visible", visible)] {
        world.leaves_little(&format!("an action of {what}"), || nobody.call(&text, &[]).status);
        let action = encode(&text);
        for (who, query) in [
            ("nobody", format!("Action={action}&Version=2016-01-20")),
            (
                "a wrong signature",
                format!("Action={action}&Version=2016-01-20&AccessKeyId={ACCESS_KEY_ID}&Signature=x"),
            ),
            ("another's name", format!("Action={action}&Version=2016-01-20&AccessKeyId={action}&Signature=x")),
            ("no form", format!("{action}=%zz&Action={action}")),
        ] {
            let agent: String = text.chars().take(7000).collect();
            let host: String = text.chars().filter(|character| character.is_ascii_alphanumeric()).take(4000).collect();
            let request = format!(
                "GET /?{query} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\nx-junk: {agent}\r\n\
                 x-acs-action: {agent}\r\nx-acs-version: 2016-01-20\r\nconnection: close\r\n\r\n"
            );
            world.leaves_little(&format!("{who} with {what}"), || world.raw(&request));
        }
    }

    let data = world.data.clone();
    assert_eq!(world.server.terminate(), Some(0));
    let verify = std::process::Command::new(env!("CARGO_BIN_EXE_yaoku"))
        .args(["audit", "verify", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
    let records = records(&data);
    let marked = records.iter().filter(|record| record["requestParameters"].get("…").is_some());
    assert!(marked.count() > 10, "what was left out is marked");
}
