//! A client of the Vault API, and users for it.

#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Client, RAM, Server};

/// yaoku's own API.
pub const CREDENTIALS: &str = "2026-11-27";
pub const FULL_ACCESS: &str = r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#;

pub fn start(data: &Path) -> Server {
    Server::start_with(data, |command| {
        command.args(["--vault-listen", "127.0.0.1:0"]);
    })
}

/// A client of the Vault API.
#[derive(Clone)]
pub struct Vault {
    pub address: String,
    pub token: String,
    pub agent: ureq::Agent,
}

pub struct Answer {
    pub status: u16,
    pub allow: Option<String>,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body["data"].clone()
    }

    #[track_caller]
    pub fn fails(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["errors"][0].as_str().unwrap_or_default().to_owned()
    }
}

impl Vault {
    /// A client with a token of a user.
    pub fn new(server: &Server, token: &str) -> Self {
        let address = server.greeting.lines().find_map(|line| line.split("Vault API: http://").nth(1)).unwrap();
        let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
        Self { address: address.to_owned(), token: token.to_owned(), agent: config.build().into() }
    }

    pub fn with(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = ureq::http::Request::builder().method(method).uri(format!("http://{}/v1/{path}", self.address));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = match self.token.is_empty() {
            true => request,
            false => request.header("x-vault-token", &self.token),
        };
        let request = request.body(body.to_owned()).unwrap();
        let mut response = self.agent.run(request).unwrap();
        let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string().unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Answer { status: response.status().as_u16(), allow, body }
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "")
    }

    pub fn encrypt(&self, key: &str, text: &str) -> String {
        let made = self.post(&format!("transit/encrypt/{key}"), json!({"plaintext": STANDARD.encode(text)})).ok();
        made["ciphertext"].as_str().unwrap().to_owned()
    }

    pub fn decrypt(&self, key: &str, ciphertext: &str) -> Answer {
        self.post(&format!("transit/decrypt/{key}"), json!({"ciphertext": ciphertext}))
    }

    pub fn log_in(&self, id: &str, secret: &str) -> Answer {
        self.with("").post("auth/approle/login", json!({"role_id": id, "secret_id": secret}))
    }
}

/// Makes a user with a policy of these statements.
pub fn make_user(root: &Client, name: &str, statements: &str) {
    let ram = root.at(RAM);
    ram.call("CreateUser", &[("UserName", name)]).ok();
    let document = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
    ram.call("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).ok();
    let attached = [("UserName", name), ("PolicyType", "Custom"), ("PolicyName", name)];
    ram.call("AttachPolicyToUser", &attached).ok();
}

pub fn detach(root: &Client, name: &str) {
    let attached = [("UserName", name), ("PolicyType", "Custom"), ("PolicyName", name)];
    root.at(RAM).call("DetachPolicyFromUser", &attached).ok();
}

/// Makes a token of a user: its id, and itself.
pub fn make_token(root: &Client, user: &str, more: &[(&str, &str)]) -> (String, String) {
    let made = root.at(CREDENTIALS).call("CreateToken", &[&[("UserName", user)], more].concat()).ok();
    (made.text("TokenId").to_owned(), made.text("Token").to_owned())
}
