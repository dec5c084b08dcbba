//! An authority of the server's own, for the first start without certificates.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::TlsError;

/// The authority's certificate below the data folder: what clients trust.
pub const CA_FILE: &str = "tls/ca.crt";
const CA_KEY: &str = "tls/ca.key";
const CERTIFICATE: &str = "tls/server.crt";
const KEY: &str = "tls/server.key";
/// The server's certificate is made anew at a start within this time of its end.
const RENEW_WITHIN: i64 = 30 * 24 * 3600;
const DAYS: i64 = 397;
const CA_DAYS: i64 = 3650;

/// Files of the own authority.
#[derive(Clone, Debug)]
pub struct Own {
    /// The chain that clients see.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The server's certificate for `names` from its own authority below `data`; whatever is missing is made.
///
/// # Errors
/// When the folder cannot be written or what is there cannot be read.
pub fn own(data: &Path, names: &[String]) -> Result<Own, TlsError> {
    let own = Own { certificate: data.join(CERTIFICATE), key: data.join(KEY) };
    let (ca, ca_key) = (data.join(CA_FILE), data.join(CA_KEY));
    fs::create_dir_all(data.join("tls")).map_err(|error| TlsError::file(&data.join("tls"), error))?;
    if !ca.exists() || !ca_key.exists() {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Drover gateway authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, CA_DAYS);
        let certificate = params.self_signed(&key)?;
        write(&ca_key, &key.serialize_pem(), 0o600)?;
        write(&ca, &certificate.pem(), 0o644)?;
    }
    if !is_current(&own.certificate, names) || !own.key.exists() {
        let ca_pem = read(&ca)?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, KeyPair::from_pem(&read(&ca_key)?)?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = name("Drover gateway");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, DAYS);
        let certificate = params.signed_by(&key, &issuer)?;
        write(&own.key, &key.serialize_pem(), 0o600)?;
        write(&own.certificate, &format!("{}{ca_pem}", certificate.pem()), 0o644)?;
    }
    Ok(own)
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn validity(params: &mut CertificateParams, days: i64) {
    let day = |offset: i64| {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        // The calendar has room for ten years either way.
        let date = now.saturating_add(jiff::Span::new().days(offset));
        let part = |value: i8| u8::try_from(value).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

/// Whether the certificate there is for all of `names` and still good for a while.
fn is_current(path: &Path, names: &[String]) -> bool {
    let Ok(text) = fs::read(path) else { return false };
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&text) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
    let now = jiff::Timestamp::now().as_second();
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return false };
    let has = |wanted: &String| {
        alternative.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) => name == wanted,
            GeneralName::IPAddress(octets) => wanted.parse().is_ok_and(|address: std::net::IpAddr| match address {
                std::net::IpAddr::V4(v4) => v4.octets() == **octets,
                std::net::IpAddr::V6(v6) => v6.octets() == **octets,
            }),
            _ => false,
        })
    };
    certificate.validity().not_after.timestamp() - now > RENEW_WITHIN && names.iter().all(has)
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|error| TlsError::file(path, error))
}

/// Written whole or not at all: a crash leaves the old file, or none.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let new = path.with_extension("new");
    let written = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(mode).open(&new);
    written
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| TlsError::file(path, error))
}
