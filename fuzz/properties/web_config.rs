//! The web configuration: nothing that is wrong opens a door, and no secret is in the text of a mistake.

use std::io;
use std::path::Path;

use zai_exporter::web::config::{self, WebConfig};

use super::{config::assert_told, steered};

/// The content of every certificate and key stands before the first NUL byte, the configuration behind it.
pub fn holds(data: &[u8]) {
    let (pem, text) = steered(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut opened = 0;
    let read = config::parse(text, Path::new("/etc/zai"), &mut |path| {
        opened += 1;
        if path.ends_with("missing") { Err(io::ErrorKind::NotFound.into()) } else { Ok(pem.to_vec()) }
    });
    match read {
        Ok(config) => {
            assert!(config.users.iter().all(|(name, hash)| !name.contains(':') && hash.starts_with("$2")));
            assert!(config.rate.is_none_or(|r| r.burst > 0 && !r.interval.is_zero()));
            assert!(config.tls.is_none() || opened >= 2);
            assert!(!printed(config).contains("$2"));
        }
        Err(mistakes) => {
            assert_told(&mistakes, text);
            let text =
                |m: &&zai_exporter::yaml::Mistake| m.key.starts_with("basic_auth_users") && m.what.contains("$2");
            assert!(!mistakes.iter().any(|m| text(&m)), "{mistakes:?}");
            // Bytes of a key or certificate, as they stand or as numbers.
            let files = || mistakes.iter().filter(|m| m.key.ends_with("_file"));
            let told = |line: &str| files().any(|m| m.what.contains(line));
            let pem = String::from_utf8_lossy(pem);
            assert!(!told("[45, 45, 45") && !pem.lines().any(|l| l.len() > 40 && told(l)), "{mistakes:?}");
        }
    }
}

/// A configuration as a log would show it, but for the headers: they are in every answer, and may hold what looks like a hash.
fn printed(config: WebConfig) -> String {
    let mut config = config;
    config.headers.clear();
    format!("{config:?}")
}
