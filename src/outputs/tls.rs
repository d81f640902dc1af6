// SPDX-License-Identifier: Apache-2.0
//! `ssl.*` of the outputs: from Packetbeat's options to a rustls client configuration.
//!
//! TLS 1.2 and 1.3 only; encrypted private keys are refused (librdkafka, which has its own TLS, takes them).

use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::outputs::secret::Secret;

/// Where distributions keep the certificates that they trust.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// What is checked of the server (`ssl.verification_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Certificate chain and name (`full`, and `strict`, which differs only for certificates without a SAN: those
    /// are refused here in both).
    #[default]
    Full,
    /// Certificate chain only (`certificate`).
    Certificate,
    /// Nothing (`none`).
    None,
}

/// PEM text, given in the configuration itself or by the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    Text(Secret),
    File(PathBuf),
}

impl Pem {
    /// Packetbeat's rule: what begins with a PEM header is the text itself.
    pub fn from_setting(text: String) -> Pem {
        if text.trim_start().starts_with("-----BEGIN") { Pem::Text(text.into()) } else { Pem::File(text.into()) }
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Pem::Text(text) => Ok(text.reveal().as_bytes().to_vec()),
            Pem::File(path) => {
                std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
            }
        }
    }

    /// The PEM text.
    pub fn text(&self) -> Result<String, String> {
        let bytes = self.read()?;
        String::from_utf8(bytes).map_err(|_| format!("{} is no PEM text", self.place()))
    }

    fn place(&self) -> String {
        match self {
            Pem::Text(_) => "the text given".to_owned(),
            Pem::File(path) => path.display().to_string(),
        }
    }
}

/// `ssl.*` of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    pub verification: Verification,
    /// Instead of the system's (`certificate_authorities`).
    pub authorities: Vec<Pem>,
    /// SHA-256 of an authority's certificate that is trusted when the server sends it (`ca_trusted_fingerprint`).
    pub trusted_fingerprint: Option<Fingerprint>,
    /// `certificate` and `key`.
    pub identity: Option<(Pem, Pem)>,
    /// `key_passphrase`; only librdkafka can use it.
    pub key_passphrase: Option<Secret>,
    /// `supported_protocols`, when given.
    pub versions: Option<Vec<TlsVersion>>,
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()?;
        bytes.try_into().ok().map(Fingerprint)
    }

    fn is_of(&self, certificate: &CertificateDer<'_>) -> bool {
        Sha256::digest(certificate).as_slice() == self.0
    }
}

/// TLS versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

impl TlsOptions {
    /// The client configuration, files read. The error is a sentence.
    pub fn client_config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: Vec<&'static rustls::SupportedProtocolVersion> = match &self.versions {
            None => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Some(versions) => versions
                .iter()
                .map(|version| match version {
                    TlsVersion::Tls12 => &rustls::version::TLS12,
                    TlsVersion::Tls13 => &rustls::version::TLS13,
                })
                .collect(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| format!("ssl: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(provider)?);
        let Some((certificate, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        if self.key_passphrase.is_some() {
            return Err(
                "ssl.key_passphrase: encrypted keys are not supported for this output, decrypt the key file".into()
            );
        }
        let chain = certificates(certificate, "ssl.certificate")?;
        let key_der = PrivateKeyDer::from_pem_slice(&key.read().map_err(|error| format!("ssl.key: {error}"))?)
            .map_err(|error| format!("ssl.key: {} holds no private key in PEM form: {error}", key.place()))?;
        builder
            .with_client_auth_cert(chain, key_der)
            .map_err(|error| format!("ssl.certificate and ssl.key do not fit together: {error}"))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if self.verification == Verification::None {
            return Ok(Arc::new(Unverified(provider)));
        }
        let (roots, verification) = (self.roots()?, self.verification);
        match self.trusted_fingerprint {
            Some(fingerprint) => Ok(Arc::new(Fingerprinted { fingerprint, roots, verification, provider })),
            None => {
                verifier(roots, verification, provider).map_err(|error| format!("ssl.certificate_authorities: {error}"))
            }
        }
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        if self.authorities.is_empty() {
            if let Some(bundle) = SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read(path).ok()) {
                roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
            }
            return Ok(roots);
        }
        for authority in &self.authorities {
            for certificate in certificates(authority, "ssl.certificate_authorities")? {
                roots.add(certificate).map_err(|error| {
                    format!("ssl.certificate_authorities: {} holds a bad certificate: {error}", authority.place())
                })?;
            }
        }
        Ok(roots)
    }
}

/// Checks chains that end at one of these authorities.
fn verifier(
    roots: RootCertStore,
    verification: Verification,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, VerifierBuilderError> {
    if roots.is_empty() {
        // Plain HTTP needs no authority; a handshake without any fails with its own message.
        return Ok(Arc::new(NoAuthorities(provider)));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    Ok(match verification {
        Verification::Certificate => Arc::new(AnyName(verifier)),
        _ => verifier,
    })
}

fn certificates(pem: &Pem, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = pem.read().map_err(|error| format!("{key}: {error}"))?;
    let list: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{key}: {} is no PEM: {error}", pem.place()))?;
    if list.is_empty() {
        return Err(format!("{key}: {} holds no certificate in PEM form", pem.place()));
    }
    Ok(list)
}

/// `verification_mode: certificate`: the chain must be right, the name may be any.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // webpki looks at the name last, when the chain is known to be right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

macro_rules! signatures_of_provider {
    ($provider:tt) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.$provider.signature_verification_algorithms;
            rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.$provider.signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

/// `verification_mode: none`.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures_of_provider!(0);
}

/// `ca_trusted_fingerprint`: the authority that the server sends is trusted, when it is the one.
#[derive(Debug)]
struct Fingerprinted {
    fingerprint: Fingerprint,
    roots: RootCertStore,
    verification: Verification,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Fingerprinted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut roots = self.roots.clone();
        for certificate in intermediates.iter().filter(|certificate| self.fingerprint.is_of(certificate)) {
            roots.add(certificate.clone().into_owned())?;
        }
        verifier(roots, self.verification, Arc::clone(&self.provider))
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    signatures_of_provider!(provider);
}

/// The system has no authorities and the configuration names none: nobody is trusted.
#[derive(Debug)]
struct NoAuthorities(Arc<CryptoProvider>);

impl ServerCertVerifier for NoAuthorities {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    signatures_of_provider!(0);
}

#[cfg(test)]
mod tests;
