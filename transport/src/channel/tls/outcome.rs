//! What an error of the session means to us: whose doing, and what to tell.

use rustls::{AlertDescription, CertificateError, Error};

use crate::channel::ChannelError;

/// The error in our words. `handshaking`: the peer was not proven yet.
pub(super) fn blame(error: &Error, handshaking: bool) -> ChannelError {
    match error {
        // Only the verifier of an expected key says so.
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => ChannelError::WrongKey,
        Error::AlertReceived(alert) => blame_alert(*alert, handshaking),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol | Error::NoCertificatesPresented => {
            ChannelError::Refused
        }
        Error::InvalidCertificate(CertificateError::UnsupportedSignatureAlgorithmContext { .. }) => {
            ChannelError::Refused
        }
        _ => ChannelError::Damaged,
    }
}

/// What the peer holds against us: damage of its input, or our person.
fn blame_alert(alert: AlertDescription, handshaking: bool) -> ChannelError {
    use AlertDescription as A;
    match alert {
        A::BadRecordMac
        | A::DecryptError
        | A::DecodeError
        | A::RecordOverflow
        | A::UnexpectedMessage
        | A::IllegalParameter
        | A::MissingExtension => ChannelError::Damaged,
        A::BadCertificate
        | A::CertificateUnknown
        | A::CertificateRequired
        | A::AccessDenied
        | A::UnknownCA
        | A::UnsupportedCertificate => ChannelError::Refused,
        _ if handshaking => ChannelError::Refused,
        _ => ChannelError::Damaged,
    }
}
