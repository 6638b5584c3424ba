//! Certificates of clients: which are asked for, and which are taken.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Whom a server lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Clients {
    /// What is asked of a client.
    pub asked: Asked,
    /// Only certificates of certain names are taken.
    pub named: bool,
}

/// What is asked of a client, in the order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Asked {
    /// No certificate.
    #[default]
    Nothing,
    /// A certificate, which may be missing and may be anybody's.
    Request,
    /// A certificate, which may be anybody's.
    RequireAny,
    /// A certificate, which may be missing.
    VerifyIfGiven,
    /// A certificate.
    RequireAndVerify,
}

impl Asked {
    /// As Go names them; the last is an older name.
    pub(super) const NAMES: [(&'static str, Self); 6] = [
        ("NoClientCert", Self::Nothing),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
        ("RequireClientCert", Self::RequireAny),
    ];

    /// Reads a name; an empty one is the default.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Nothing);
        }
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, asked)| *asked)
    }

    /// Whether a certificate must come from one of the named authorities.
    pub(super) fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// Makes what rustls asks about clients.
pub(super) fn verifier(
    asked: Asked,
    roots: &Arc<RootCertStore>,
    allowed: Option<Vec<String>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
    let chains = || WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
    let checks = match asked {
        Asked::Nothing => return Ok(Arc::new(NoClientAuth)),
        Asked::Request | Asked::RequireAny => None,
        Asked::VerifyIfGiven => Some(chains().allow_unauthenticated().build()?),
        Asked::RequireAndVerify => Some(chains().build()?),
    };
    let mandatory = matches!(asked, Asked::RequireAny | Asked::RequireAndVerify);
    let hints = roots.subjects();
    Ok(Arc::new(Peers { chains: checks, mandatory, allowed, hints, provider: Arc::clone(provider) }))
}

/// Takes certificates by their chain, if there is something to check it with, and by their names, if some are set. That the client has
/// the key of its certificate is checked always.
#[derive(Debug)]
struct Peers {
    chains: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    allowed: Option<Vec<String>>,
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Peers {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chains) = &self.chains {
            chains.verify_client_cert(certificate, intermediates, now)?;
        }
        match &self.allowed {
            Some(allowed) if !names(certificate)?.iter().any(|name| allowed.contains(name)) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The alternative names of a certificate's subject: hosts, mail addresses, IP addresses and URIs.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let fault = || Error::from(CertificateError::BadEncoding);
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| fault())?;
    let extension = parsed.subject_alternative_name().map_err(|_| fault())?;
    Ok(extension.map_or_else(Vec::new, |e| e.value.general_names.iter().filter_map(name).collect()))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_string())
        }
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?;
            Some(address.to_canonical().to_string())
        }
        _ => None,
    }
}
