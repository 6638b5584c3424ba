//! The web configuration as it is written: every mistake is named with its line. No secret is in a mistake's text.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use bcrypt::HashParts;

use super::{Rate, WebConfig, http, tls};
use crate::yaml::{self, Mistake, Mistakes, Node};

const KEYS: [&str; 4] = ["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
const RATE_KEYS: [&str; 2] = ["interval", "burst"];

/// bcrypt knows no lower cost.
const LOWEST_COST: u32 = 4;

/// bcrypt's work doubles with each step: this much is a few seconds, and more than a scraper waits.
const HIGHEST_COST: u32 = 16;

/// Where named files are, and how they are read.
pub(super) struct Disk<'a> {
    folder: &'a Path,
    open: &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
}

impl Disk<'_> {
    /// Reads the file that `node` names. Relative names are relative to the configuration's folder.
    pub(super) fn read(&mut self, node: &Node<'_>, mistakes: &mut Mistakes) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.folder.join(node.text(mistakes)?);
        match (self.open)(&path) {
            Ok(bytes) => Some((path, bytes)),
            Err(e) => {
                mistakes.add(node, format!("cannot read {}: {e}", path.display()));
                None
            }
        }
    }
}

/// Reads a web configuration; `open` reads the files that it names.
pub fn parse(
    text: &str,
    folder: &Path,
    open: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Result<WebConfig, Vec<Mistake>> {
    let mut disk = Disk { folder, open };
    yaml::read(text, |root, mistakes| read(root, &mut disk, mistakes))
}

fn read(root: &Node<'_>, disk: &mut Disk<'_>, mistakes: &mut Mistakes) -> Option<WebConfig> {
    let mut section = root.section(mistakes)?;
    let tls = section.take_set("tls_server_config").and_then(|n| tls::read(&n, disk, mistakes));
    let headers = section.take_set("http_server_config").map(|n| http::read(&n, mistakes)).unwrap_or_default();
    let users = section.take_set("basic_auth_users").map(|n| read_users(&n, mistakes)).unwrap_or_default();
    let rate = section.take_set("rate_limit").and_then(|n| read_rate(&n, mistakes));
    section.finish(&KEYS, mistakes);
    let (tls, clients) = tls.map_or_else(Default::default, |(tls, clients)| (Some(tls), clients));
    Some(WebConfig { tls, clients, headers, users, rate })
}

fn read_users(node: &Node<'_>, mistakes: &mut Mistakes) -> BTreeMap<String, String> {
    let mut users = BTreeMap::new();
    for (name, value) in node.named(mistakes) {
        let Some(hash) = value.text(mistakes) else { continue };
        if let Some(fault) = user_fault(&name, &hash) {
            mistakes.add(&value, fault);
        } else {
            users.insert(name, hash);
        }
    }
    users
}

fn user_fault(name: &str, hash: &str) -> Option<String> {
    if name.contains(':') {
        return Some("a name with a colon cannot log in: the colon ends the name".to_string());
    }
    match HashParts::from_str(hash) {
        Err(_) => Some("must be a bcrypt hash, such as `htpasswd -nBC 10 NAME` prints behind the colon".to_string()),
        Ok(parts) if parts.get_cost() > HIGHEST_COST => {
            let cost = parts.get_cost();
            Some(format!("a cost of {cost} takes longer than a scrape may; take 10, or {HIGHEST_COST} at most"))
        }
        Ok(parts) if parts.get_cost() < LOWEST_COST => {
            Some(format!("a cost below {LOWEST_COST} is none of bcrypt; take 10"))
        }
        Ok(_) => None,
    }
}

fn read_rate(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<Rate> {
    let mut section = node.section(mistakes)?;
    let interval = section.take_set("interval").and_then(|n| read_interval(&n, mistakes));
    let burst = section.take_set("burst").and_then(|n| n.number(0, mistakes));
    section.finish(&RATE_KEYS, mistakes);
    let interval = interval.filter(|i| !i.is_zero())?;
    match u32::try_from(burst.unwrap_or(0)) {
        Ok(burst @ 1..) => Some(Rate { interval, burst }),
        _ => {
            mistakes.add(node, "with an interval, `burst` must be at least 1: nothing would be answered");
            None
        }
    }
}

/// A duration as Go writes it, such as `1s`, `200ms` or `1m30s`; 0 is none.
fn read_interval(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<Duration> {
    let text = node.text(mistakes)?;
    let duration = if text == "0" { Some(Duration::ZERO) } else { go_duration(&text) };
    if duration.is_none() {
        mistakes.add(node, format!("`{text}` is no duration; write 1s, 200ms or 1m30s"));
    }
    duration
}

fn go_duration(text: &str) -> Option<Duration> {
    let units = |c: char| c.is_ascii_digit() || ".nuµmsh".contains(c);
    let duration: jiff::SignedDuration = text.chars().all(units).then(|| text.parse().ok())??;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

    fn mistakes(text: &str) -> Vec<String> {
        let mut open = |_: &Path| Err(io::Error::other("not here"));
        parse(text, Path::new("/etc/web"), &mut open).unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn good(text: &str) -> WebConfig {
        parse(text, Path::new(""), &mut |_| unreachable!()).unwrap()
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_key() {
        let text = "tls_server_config:\n  cert_file: server.crt\n  key: nonsense\n  min_version: TLS10\n  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n  \
                    curve_preferences: [CurveP521]\n  client_auth_type: Sometimes\n  verify: true\nhttp_server_config:\n  http3: true\n  headers:\n    \
                    Server: none\n    X-Frame-Options: never\nbasic_auth_users:\n  ann: secret-password\n  7: x\nrate_limit: {interval: 3, burst: 1}\nbasic_auth: {}\n";
        let mistakes = mistakes(text);
        let expected = [
            "line 2: tls_server_config.cert_file: cannot read /etc/web/server.crt: not here",
            "line 3: tls_server_config.key: holds no private key",
            "line 4: tls_server_config.min_version: TLS 1.0 and 1.1",
            "line 5: tls_server_config.cipher_suites[0]: `TLS_RSA_WITH_RC4_128_SHA`",
            "line 6: tls_server_config.curve_preferences[0]: `CurveP521`",
            "line 7: tls_server_config.client_auth_type: `Sometimes`",
            "line 8: tls_server_config.verify: unknown key",
            "line 10: http_server_config.http3: unknown key",
            "line 12: http_server_config.headers.Server: unknown key",
            "line 13: http_server_config.headers.X-Frame-Options: `never`",
            "line 15: basic_auth_users.ann: must be a bcrypt hash",
            "line 16: basic_auth_users: must be a name; put it in quotes",
            "line 17: rate_limit.interval: `3` is no duration",
            "line 18: basic_auth: unknown key",
        ];
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        for (mistake, expected) in mistakes.iter().zip(expected) {
            assert!(mistake.starts_with(expected), "{mistake}");
            assert!(!mistake.contains("secret-password") && !mistake.contains("nonsense"), "{mistake}");
        }
    }

    #[test]
    fn what_is_not_set_is_not_there() {
        for text in
            ["", "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n", "http_server_config: {http2: true}"]
        {
            let config = good(text);
            assert!(config.tls.is_none() && config.users.is_empty() && config.headers.is_empty(), "{text}");
        }
    }

    #[test]
    fn hashes_of_all_usual_makers_are_taken_and_costs_are_bounded() {
        for version in ["2a", "2b", "2y"] {
            let hash = HASH.replace("2y", version);
            assert_eq!(good(&format!("basic_auth_users: {{ann: {hash}}}")).users["ann"], hash);
        }
        let costly = HASH.replace("$10$", "$17$");
        assert!(mistakes(&format!("basic_auth_users: {{ann: {costly}}}"))[0].contains("a cost of 17"));
        assert!(mistakes(&format!("basic_auth_users: {{'a:b': {HASH}}}"))[0].contains("colon"));
    }

    #[test]
    fn intervals_are_written_as_in_go() {
        let rate = |text: &str| good(&format!("rate_limit: {{interval: {text}, burst: 2}}")).rate.map(|r| r.interval);
        assert_eq!(rate("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(rate("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(rate("0"), None);
        assert!(mistakes("rate_limit: {interval: 1s}")[0].contains("burst"));
        assert!(mistakes("rate_limit: {interval: -1s, burst: 1}")[0].contains("no duration"));
    }
}
