//! A client of the Tang protocol that knows what the answers must be.

#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use yaoku_crypto::SystemRandom;
use yaoku_crypto::exchange::{ExchangeKey, Point};
use yaoku_tang::{Thumbprint, read_point, write_point};

use crate::support::Server;

pub fn start(data: &Path) -> Server {
    Server::start_with(data, |command| {
        command.args(["--tang-listen", "127.0.0.1:0"]);
    })
}

/// A client of one disk.
#[derive(Clone)]
pub struct Disk {
    /// The whole URL, as clients are configured with it.
    pub url: String,
    agent: ureq::Agent,
}

pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Disk {
    pub fn new(server: &Server, path: &str) -> Self {
        let address = server.greeting.lines().find_map(|line| line.split("disks (Tang): ").nth(1)).unwrap();
        let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
        Self { url: format!("{address}{path}"), agent: config.build().into() }
    }

    pub fn send(&self, method: &str, rest: &str, body: &[u8]) -> Answer {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{rest}", self.url));
        let mut response = self.agent.run(request.body(body.to_vec()).unwrap()).unwrap();
        let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let body = response.body_mut().read_to_string().unwrap();
        Answer { status: response.status().as_u16(), content_type: content_type.unwrap_or_default(), body }
    }

    /// The key that is advertised to exchange with, as it is for a client who has verified the rest.
    pub fn advertised(&self) -> Point {
        let answer = self.send("GET", "/adv", b"");
        assert_eq!((answer.status, &*answer.content_type), (200, "application/jose+json"), "{}", answer.body);
        let jws: Value = serde_json::from_str(&answer.body).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap()).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let keys = payload["keys"].as_array().unwrap();
        assert_eq!((keys.len(), &keys[1]["alg"]), (2, &Value::from("ECMR")));
        read_point(keys[1].to_string().as_bytes()).unwrap()
    }

    /// Asks for the product of a key and a client's own; whether that is what it must be, and else the status.
    pub fn unlock(&self, key: &Point) -> Result<(), u16> {
        let client = ExchangeKey::generate(&SystemRandom).unwrap();
        let body = write_point(&client.public().unwrap());
        let answer = self.send("POST", &format!("/rec/{}", Thumbprint::of(key)), &body);
        if answer.status != 200 {
            assert_eq!(answer.content_type, "text/plain; charset=utf-8");
            return Err(answer.status);
        }
        assert_eq!(answer.content_type, "application/jwk+json");
        assert_eq!(read_point(answer.body.as_bytes()).unwrap(), client.multiply(key).unwrap());
        Ok(())
    }
}
