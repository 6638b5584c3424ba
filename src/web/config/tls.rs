//! `tls_server_config`: from names and files to what rustls serves with.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};

use super::peer::{self, Asked, Clients};
use super::read::Disk;
use crate::yaml::{Mistakes, Node, Section};

const KEYS: [&str; 13] = [
    "cert",
    "cert_file",
    "key",
    "key_file",
    "client_auth_type",
    "client_ca",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];

/// Names of cipher suites in Go, and those of rustls that they mean. The last three are of TLS 1.3 and always on.
const SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ring::cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", ring::cipher_suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", ring::cipher_suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
];

const CURVES: [(&str, &dyn SupportedKxGroup); 3] = [
    ("X25519", ring::kx_group::X25519),
    ("CurveP256", ring::kx_group::SECP256R1),
    ("CurveP384", ring::kx_group::SECP384R1),
];

/// Reads the section, with the certificates and keys that it names.
pub(super) fn read(
    node: &Node<'_>,
    disk: &mut Disk<'_>,
    mistakes: &mut Mistakes,
) -> Option<(Arc<ServerConfig>, Clients)> {
    let before = mistakes.0.len();
    let mut section = node.section(mistakes)?;
    if section.is_empty() {
        return None;
    }
    let certificate = Pem::take(&mut section, "cert", "cert_file", disk, mistakes);
    let key = Pem::take(&mut section, "key", "key_file", disk, mistakes);
    let ca = Pem::take(&mut section, "client_ca", "client_ca_file", disk, mistakes);
    for (pem, name) in [(&certificate, "cert_file"), (&key, "key_file")] {
        if pem.is_none() && mistakes.0.len() == before {
            mistakes.add(node, format!("`{name}` is missing; without TLS, leave the section out"));
        }
    }
    let chain = certificate.as_ref().and_then(|pem| certificates(pem, mistakes));
    let key = key.and_then(|pem| private_key(&pem, mistakes));
    let versions = read_versions(&mut section, mistakes);
    let suites = section.take_set("cipher_suites").map(|n| pick(&n, &SUITES, "cipher suite", mistakes));
    let order = section.take_set("prefer_server_cipher_suites").map(|n| n.boolean(mistakes));
    let curves = section.take_set("curve_preferences").map(|n| pick(&n, &CURVES, "curve", mistakes));
    let provider = Arc::new(provider(suites, curves));
    let verifier = read_verifier(&mut section, node, ca.as_ref(), &provider, mistakes);
    section.finish(&KEYS, mistakes);
    if mistakes.0.len() > before {
        return None;
    }
    let (verifier, clients) = verifier?;
    match build(provider, &versions, verifier, (chain?, key?)) {
        Ok(mut config) => {
            config.ignore_client_order = order.flatten().unwrap_or(true);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some((Arc::new(config), clients))
        }
        Err(e) => {
            mistakes.add(node, unusable(&e));
            None
        }
    }
}

fn build(
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    verifier: Arc<dyn ClientCertVerifier>,
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> Result<ServerConfig, rustls::Error> {
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
}

/// What to do about a certificate and a key that were read and do not serve.
fn unusable(e: &rustls::Error) -> String {
    match e {
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_string(),
        rustls::Error::InvalidCertificate(e) => {
            format!("the certificate cannot be used; it must be of X.509 version 3: {e}")
        }
        e => format!("the key must be RSA (2048 bits or more), ECDSA (P-256, P-384) or Ed25519: {e}"),
    }
}

/// Text in PEM, and where it was named.
struct Pem<'a> {
    node: Node<'a>,
    bytes: Vec<u8>,
}

impl<'a> Pem<'a> {
    /// Takes what is written under `inline`, or what is in the file that stands under `file`.
    fn take(
        section: &mut Section<'a>,
        inline: &str,
        file: &str,
        disk: &mut Disk<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let mut given =
            |name| section.take_set(name).filter(|n| n.text(&mut Mistakes::default()) != Some(String::new()));
        match (given(inline), given(file)) {
            (Some(node), Some(_)) => {
                mistakes.add(&node, format!("stands beside `{file}`; leave one of them out"));
                None
            }
            (Some(node), None) => node.text(mistakes).map(|text| Self { node, bytes: text.into_bytes() }),
            (None, Some(node)) => disk.read(&node, mistakes).map(|(_, bytes)| Self { node, bytes }),
            (None, None) => None,
        }
    }
}

fn certificates(pem: &Pem<'_>, mistakes: &mut Mistakes) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(&pem.bytes).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            mistakes.add(&pem.node, "holds no certificate in PEM");
            None
        }
        // What the parser says of it holds a line of the file, and that may be a key.
        Err(_) => {
            mistakes.add(&pem.node, "is no PEM: a section is not begun, filled with base64 or ended as it must be");
            None
        }
    }
}

fn private_key(pem: &Pem<'_>, mistakes: &mut Mistakes) -> Option<PrivateKeyDer<'static>> {
    let key = PrivateKeyDer::from_pem_slice(&pem.bytes);
    if key.is_err() {
        // Why is not said: a fault's text may quote what it was found in.
        mistakes.add(&pem.node, "holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, without a passphrase)");
    }
    key.ok()
}

/// From the least to the greatest.
fn read_versions(section: &mut Section<'_>, mistakes: &mut Mistakes) -> Vec<&'static SupportedProtocolVersion> {
    let least = section.take_set("min_version").and_then(|n| read_version(&n, mistakes)).unwrap_or(2);
    let greatest = section.take_set("max_version");
    let limit = greatest.as_ref().and_then(|n| read_version(n, mistakes)).unwrap_or(3);
    if let Some(node) = greatest.filter(|_| limit < least) {
        mistakes.add(&node, "is below `min_version`: no client could connect");
    }
    let versions = [(2, &version::TLS12), (3, &version::TLS13)];
    versions.into_iter().filter(|(number, _)| (least..=limit).contains(number)).map(|(_, version)| version).collect()
}

/// The second digit of a version.
fn read_version(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<u8> {
    let text = node.text(mistakes)?;
    match text.as_str() {
        "TLS12" => Some(2),
        "TLS13" => Some(3),
        "TLS10" | "TLS11" => {
            mistakes.add(node, "TLS 1.0 and 1.1 are broken and not spoken here; write TLS12 or TLS13");
            None
        }
        _ => {
            mistakes.add(node, format!("`{text}` is no version; write TLS12 or TLS13"));
            None
        }
    }
}

/// The values that a list names.
fn pick<T: Copy>(node: &Node<'_>, known: &[(&str, T)], kind: &str, mistakes: &mut Mistakes) -> Vec<T> {
    let mut picked = Vec::new();
    for item in node.list(mistakes) {
        let Some(name) = item.text(mistakes) else { continue };
        match known.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => picked.push(*value),
            None => {
                let names: Vec<&str> = known.iter().map(|(n, _)| *n).collect();
                mistakes.add(&item, format!("`{name}` is no {kind} that is spoken here; known: {}", names.join(", ")));
            }
        }
    }
    picked
}

/// Names are in the order of preference; an empty list is none. The suites of TLS 1.3 cannot be switched off, as in Go.
fn provider(
    suites: Option<Vec<SupportedCipherSuite>>,
    curves: Option<Vec<&'static dyn SupportedKxGroup>>,
) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(suites) = suites.filter(|s| !s.is_empty()) {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites.into_iter().filter(|suite| suite.tls13().is_none()));
    }
    if let Some(curves) = curves.filter(|c| !c.is_empty()) {
        provider.kx_groups = curves;
    }
    provider
}

fn read_verifier(
    section: &mut Section<'_>,
    whole: &Node<'_>,
    ca: Option<&Pem<'_>>,
    provider: &Arc<CryptoProvider>,
    mistakes: &mut Mistakes,
) -> Option<(Arc<dyn ClientCertVerifier>, Clients)> {
    let asked = section.take_set("client_auth_type").map_or(Some(Asked::Nothing), |n| read_asked(&n, mistakes));
    let names = section.take_set("client_allowed_sans");
    let asked = asked?;
    if let Some(node) = names.as_ref().filter(|_| asked != Asked::RequireAndVerify) {
        mistakes
            .add(node, "needs `client_auth_type: RequireAndVerifyClientCert`: any other lets a client in without it");
    }
    let allowed = names.map(|n| (n.texts(mistakes), n));
    if let Some((_, node)) = allowed.as_ref().filter(|(names, _)| names.is_empty()) {
        mistakes.add(node, "names nobody: no client could connect");
    }
    let roots = match (ca, asked.verifies()) {
        (Some(pem), _) if asked == Asked::Nothing => {
            mistakes.add(&pem.node, "is used for nothing; set `client_auth_type: RequireAndVerifyClientCert`");
            None
        }
        (Some(pem), _) => roots(pem, mistakes),
        (None, true) => {
            mistakes.add(whole, "`client_ca_file` is missing: it says whose certificates clients must have");
            None
        }
        (None, false) => Some(RootCertStore::empty()),
    }?;
    let clients = Clients { asked, named: allowed.is_some() };
    match peer::verifier(asked, &Arc::new(roots), allowed.map(|(names, _)| names), provider) {
        Ok(verifier) => Some((verifier, clients)),
        Err(e) => {
            mistakes.add(whole, format!("cannot verify client certificates: {e}"));
            None
        }
    }
}

fn read_asked(node: &Node<'_>, mistakes: &mut Mistakes) -> Option<Asked> {
    let text = node.text(mistakes)?;
    let asked = Asked::parse(&text);
    if asked.is_none() {
        let names = Asked::NAMES.map(|(name, _)| name).join(", ");
        mistakes.add(node, format!("`{text}` is no type of client authentication; known: {names}"));
    }
    asked
}

fn roots(pem: &Pem<'_>, mistakes: &mut Mistakes) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, mistakes)? {
        if let Err(e) = roots.add(certificate) {
            mistakes.add(&pem.node, format!("holds a certificate that cannot be used: {e}"));
            return None;
        }
    }
    Some(roots)
}
