//! What the options say of proxies and gateways in front of the server.

use std::net::IpAddr;

use ipnet::IpNet;
use yaoku_http::{ForwardedHeaders, Proxies};

use super::settings::refusal;
use super::{Options, ProxyHeaders};
use crate::Error;

/// The most hosts that a signature may be over beside the one of its request: a wrong one is tried with each.
const MAX_ACCEPTED_HOSTS: usize = 16;

/// The proxies that are trusted, and how they tell of their clients.
pub(super) fn proxies(options: &Options) -> Result<Proxies, Error> {
    let trusted = options.trusted_proxy.iter().flatten();
    let trusted = trusted.map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
    let proxy_protocol = options.proxy_protocol.unwrap_or(false);
    for (name, given) in [("proxy-protocol", proxy_protocol), ("proxy-headers", options.proxy_headers.is_some())] {
        if given && trusted.is_empty() {
            return Err(refusal(format!(
                "--{name} applies to connections from proxies: name the proxies with --trusted-proxy"
            )));
        }
    }
    let headers = match options.proxy_headers.unwrap_or_default() {
        ProxyHeaders::XForwarded => ForwardedHeaders::XForwarded,
        ProxyHeaders::Forwarded => ForwardedHeaders::Forwarded,
    };
    Ok(Proxies { trusted, headers, proxy_protocol })
}

fn network(text: &str) -> Result<IpNet, Error> {
    let one = |_| text.parse::<IpAddr>().map(IpNet::from);
    let why = "specify an address or a block of addresses, such as 10.0.0.0/8";
    text.parse::<IpNet>().or_else(one).map_err(|_| refusal(format!("--trusted-proxy {text:?}: {why}")))
}

/// Hosts that clients may have signed beside the one that they are seen to ask for.
pub(super) fn accepted_hosts(options: &Options) -> Result<Vec<String>, Error> {
    let hosts: Vec<String> = options.accept_host.iter().flatten().cloned().collect();
    let fits = |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if let Some(host) = hosts.iter().find(|host| !fits(host)) {
        return Err(refusal(format!(
            "--accept-host {host:?} is not a host name; write it as it appears in clients' URLs"
        )));
    }
    if hosts.len() > MAX_ACCEPTED_HOSTS {
        return Err(refusal(format!("--accept-host can be used at most {MAX_ACCEPTED_HOSTS} times")));
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut Options)) -> Options {
        let mut options = Options::default();
        change(&mut options);
        options
    }

    #[test]
    fn addresses_and_blocks_of_them_are_trusted() {
        let given = options(|o| o.trusted_proxy = Some(vec!["10.0.0.0/8".into(), "::1".into()]));
        let proxies = proxies(&given).unwrap();
        for (address, trusted) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("::1", true), ("::2", false)] {
            assert_eq!(proxies.trust(address.parse().unwrap()), trusted, "{address}");
        }
        assert!(!super::proxies(&Options::default()).unwrap().trust("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_name() {
        let refused = |change: fn(&mut Options)| proxies(&options(change)).err().unwrap().to_string();
        assert!(refused(|o| o.trusted_proxy = Some(vec!["10.0.0.0/33".into()])).contains("--trusted-proxy"));
        assert!(refused(|o| o.proxy_protocol = Some(true)).contains("--trusted-proxy"));
        assert!(refused(|o| o.proxy_headers = Some(ProxyHeaders::Forwarded)).contains("--trusted-proxy"));
        for hosts in [vec!["a b"], vec!["https://a"], vec![""], vec!["a"; MAX_ACCEPTED_HOSTS + 1]] {
            let hosts = hosts.into_iter().map(str::to_owned).collect();
            assert!(accepted_hosts(&options(|o| o.accept_host = Some(hosts))).is_err());
        }
    }
}
