//! What is kept of a password: enough to check it by SCRAM-SHA-256 or in clear, not enough to say it.
//!
//! The text form is PostgreSQL's, of `pg_authid.rolpassword`, which CREATE ROLE takes in place of a password too.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::{digest, hmac, pbkdf2, rand};

/// How often a new password is hashed, as often as PostgreSQL does.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// Bytes of a salt, as many as PostgreSQL takes.
const SALT_BYTES: usize = 16;

const PREFIX: &str = "SCRAM-SHA-256$";

/// See the [module](self).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub iterations: NonZeroU32,
    pub salt: Vec<u8>,
    /// SHA-256 of the client's key.
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl Secret {
    /// Of a password, with a new salt. Takes about a millisecond.
    pub fn of(password: &str) -> Secret {
        let mut salt = vec![0; SALT_BYTES];
        rand::SystemRandom::new().fill(&mut salt).expect("the system has random numbers");
        Secret::with(password, salt, ITERATIONS)
    }

    /// Of what is written: a password, or a secret in its text form. None where it looks like one and is not.
    pub fn of_written(written: &str) -> Option<Secret> {
        match written.starts_with(PREFIX) {
            true => Secret::read(written),
            false => Some(Secret::of(written)),
        }
    }

    /// Of the text form.
    pub fn read(text: &str) -> Option<Secret> {
        let (cost, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
        let ((iterations, salt), (stored_key, server_key)) = (cost.split_once(':')?, keys.split_once(':')?);
        let bytes = |text: &str| STANDARD.decode(text).ok();
        Some(Secret {
            iterations: iterations.parse().ok()?,
            salt: bytes(salt)?,
            stored_key: bytes(stored_key)?.try_into().ok()?,
            server_key: bytes(server_key)?.try_into().ok()?,
        })
    }

    /// Whether a password is this one. Takes about a millisecond, on purpose: not for a thread that others wait for.
    pub fn admits(&self, password: &str) -> bool {
        let found = Secret::with(password, self.salt.clone(), self.iterations);
        // In a time that does not depend on where they differ.
        let differs = found.stored_key.iter().zip(&self.stored_key).fold(0, |differs, (l, r)| differs | (l ^ r));
        differs == 0
    }

    fn with(password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Secret {
        // What cannot be prepared is taken as it is, as in PostgreSQL.
        let prepared = stringprep::saslprep(password).unwrap_or(password.into());
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, prepared.as_bytes(), &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let signed = |words: &[u8]| <[u8; 32]>::try_from(hmac::sign(&key, words).as_ref()).expect("32 bytes");
        let stored_key = digest::digest(&digest::SHA256, &signed(b"Client Key"));
        Secret {
            iterations,
            salt,
            stored_key: stored_key.as_ref().try_into().expect("32 bytes"),
            server_key: signed(b"Server Key"),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(f, "{PREFIX}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3: user "user", password "pencil".
    #[test]
    fn keys_are_those_of_the_standard() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let secret = Secret::with("pencil", salt, ITERATIONS);
        let said = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret.server_key), said.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn only_the_password_is_admitted() {
        let secret = Secret::of("ñandú");
        assert!(secret.admits("ñandú") && !secret.admits("nandu") && !secret.admits(""));
        assert_ne!(Secret::of("same").salt, Secret::of("same").salt);
    }

    #[test]
    fn the_text_form_is_read_back_and_shown_nowhere_else() {
        let secret = Secret::of("pencil");
        let text = secret.to_string();
        assert_eq!(Secret::of_written(&text), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(&STANDARD.encode(secret.stored_key)));
        for broken in [&text[..40], "SCRAM-SHA-256$0:AA==$AA==:AA==", "SCRAM-SHA-256$"] {
            assert_eq!(Secret::of_written(broken), None, "{broken}");
        }
    }
}
