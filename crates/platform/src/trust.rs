//! The TLS settings for connections to other systems.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::ConfigVerifierExt;

/// TLS that trusts a configured certificate authority (PEM), or the system's if that is empty.
pub fn by(authority: &str) -> Result<ClientConfig, String> {
    if authority.trim().is_empty() {
        return ClientConfig::with_platform_verifier().map_err(|e| format!("The system's certificates: {e}."));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        let certificate = certificate.map_err(|_| "The certificate authority is not a PEM certificate.")?;
        roots.add(certificate).map_err(|e| format!("The certificate authority cannot be used: {e}."))?;
    }
    if roots.is_empty() {
        return Err("The certificate authority is not a PEM certificate.".into());
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_invalid_certificate_is_reported() {
        for bad in ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(super::by(bad).unwrap_err().starts_with("The certificate authority"), "{bad}");
        }
    }
}
