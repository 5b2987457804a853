//! Who comes in: nobody has to say it on a loopback address, everybody on another.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use pgwire::api::auth::sasl::scram::{ScramServerAuth, ScramServerAuthWaitingForClientFinal};

use crate::credentials::Verifier;

/// How a client can prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// By the password itself: only where nobody can listen.
    Plain,
    /// By a proof that it knows the password.
    ScramSha256,
}

impl Mechanism {
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
        }
    }
}

/// One client on its way in.
#[derive(Debug)]
pub struct Entry {
    verifier: Arc<Verifier>,
    /// Whether strangers may do nothing.
    required: bool,
    /// Whether nobody else hears what is said.
    private: bool,
    step: Mutex<Step>,
}

enum Step {
    Stranger,
    Chosen(Mechanism),
    Challenged(ScramServerAuthWaitingForClientFinal),
    Known,
    Refused,
}

/// The next words to the client.
pub type Said = Result<Bytes, ResponseError>;

impl Entry {
    pub fn new(verifier: Arc<Verifier>, required: bool, private: bool) -> Entry {
        Entry { verifier, required, private, step: Mutex::new(Step::Stranger) }
    }

    /// The ways in that are open to this client.
    pub fn mechanisms(&self) -> &'static [Mechanism] {
        match self.private {
            true => &[Mechanism::ScramSha256, Mechanism::Plain],
            false => &[Mechanism::ScramSha256],
        }
    }

    /// Whether the client may do anything but say who it is.
    pub fn is_open(&self) -> bool {
        match *self.step() {
            Step::Known => true,
            Step::Refused => false,
            Step::Stranger | Step::Chosen(_) | Step::Challenged(_) => !self.required,
        }
    }

    /// Whether a request may be made now.
    pub fn allows(&self, api: ApiKey) -> bool {
        let entering = matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        self.is_open() || (entering && !matches!(*self.step(), Step::Refused))
    }

    /// The client chooses how to prove who it is.
    pub fn choose(&self, name: &str) -> Result<(), ResponseError> {
        let mut step = self.step();
        if !matches!(*step, Step::Stranger | Step::Chosen(_)) {
            return Err(ResponseError::IllegalSaslState);
        }
        let chosen = self.mechanisms().iter().find(|mechanism| mechanism.name() == name);
        *step = Step::Chosen(*chosen.ok_or(ResponseError::UnsupportedSaslMechanism)?);
        Ok(())
    }

    /// Takes the client's next words.
    pub async fn hear(&self, words: Bytes) -> Said {
        let step = std::mem::replace(&mut *self.step(), Step::Refused);
        let (next, said) = match step {
            Step::Chosen(Mechanism::Plain) => {
                let verifier = self.verifier.clone();
                let admitted = tokio::task::spawn_blocking(move || plain(&verifier, &words)).await;
                match admitted {
                    Ok(true) => (Step::Known, Ok(Bytes::new())),
                    _ => (Step::Refused, Err(ResponseError::SaslAuthenticationFailed)),
                }
            }
            Step::Chosen(Mechanism::ScramSha256) => match self.challenge(&words) {
                Some((challenge, waiting)) => (Step::Challenged(waiting), Ok(challenge.into())),
                None => (Step::Refused, Err(ResponseError::SaslAuthenticationFailed)),
            },
            Step::Challenged(waiting) => match waiting.on_client_final_message(&words) {
                Ok(signature) => (Step::Known, Ok(signature.into())),
                Err(_) => (Step::Refused, Err(ResponseError::SaslAuthenticationFailed)),
            },
            other @ (Step::Stranger | Step::Known | Step::Refused) => (other, Err(ResponseError::IllegalSaslState)),
        };
        *self.step() = next;
        said
    }

    fn challenge(&self, words: &[u8]) -> Option<(String, ScramServerAuthWaitingForClientFinal)> {
        let user = scram_user(std::str::from_utf8(words).ok()?)?;
        ScramServerAuth::new().on_client_first_message_with_secret(words, self.verifier.secret(&user)).ok()
    }

    fn step(&self) -> std::sync::MutexGuard<'_, Step> {
        self.step.lock().expect("no holder panics")
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Stranger => "Stranger",
            Step::Chosen(mechanism) => mechanism.name(),
            Step::Challenged(_) => "Challenged",
            Step::Known => "Known",
            Step::Refused => "Refused",
        })
    }
}

/// Whether a PLAIN message, `[on behalf of] NUL user NUL password`, is of somebody who may come in.
fn plain(verifier: &Verifier, words: &[u8]) -> bool {
    let Ok(words) = std::str::from_utf8(words) else { return false };
    let parts: Vec<&str> = words.split('\0').collect();
    match parts[..] {
        [behalf, user, password] => (behalf.is_empty() || behalf == user) && verifier.admits(user, password),
        _ => false,
    }
}

/// The user in the first message of SCRAM: `n,[a=on behalf of],n=user,r=nonce`, a comma written `=2C` and an equals sign `=3D`.
fn scram_user(first: &str) -> Option<String> {
    let user = first.splitn(3, ',').nth(2)?.split(',').find_map(|part| part.strip_prefix("n="))?;
    Some(user.replace("=2C", ",").replace("=3D", "="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;

    fn entry(required: bool, private: bool) -> Entry {
        let credentials = Credentials { user: "ana".to_owned(), password: "s3cret".to_owned() };
        Entry::new(Arc::new(Verifier::new(&credentials, Box::new(|_| None))), required, private)
    }

    #[tokio::test]
    async fn a_stranger_may_say_who_it_is_and_nothing_else() {
        let entry = entry(true, true);
        assert!(entry.allows(ApiKey::ApiVersions) && entry.allows(ApiKey::SaslHandshake));
        assert!(!entry.allows(ApiKey::Metadata) && !entry.allows(ApiKey::Produce));
        assert_eq!(entry.hear(Bytes::new()).await, Err(ResponseError::IllegalSaslState));
        assert_eq!(entry.choose("GSSAPI"), Err(ResponseError::UnsupportedSaslMechanism));
        entry.choose("PLAIN").unwrap();
        assert_eq!(entry.hear(Bytes::from_static(b"\0ana\0s3cret")).await, Ok(Bytes::new()));
        assert!(entry.allows(ApiKey::Produce));
        assert_eq!(entry.choose("PLAIN"), Err(ResponseError::IllegalSaslState));
    }

    #[tokio::test]
    async fn who_is_refused_cannot_try_again_on_the_same_connection() {
        for words in ["\0ana\0wrong", "\0eva\0s3cret", "eva\0ana\0s3cret", "ana s3cret", "", "\0ana\0s3cret\0more"] {
            let entry = entry(false, true);
            assert!(entry.allows(ApiKey::Produce), "nothing is required");
            entry.choose("PLAIN").unwrap();
            let refused = entry.hear(Bytes::from(words)).await;
            assert_eq!(refused, Err(ResponseError::SaslAuthenticationFailed), "{words:?}");
            assert!(!entry.allows(ApiKey::SaslHandshake) && !entry.allows(ApiKey::Produce));
        }
    }

    #[test]
    fn a_password_is_not_asked_for_where_others_hear_it() {
        assert_eq!(entry(true, false).choose("PLAIN"), Err(ResponseError::UnsupportedSaslMechanism));
        assert_eq!(entry(true, false).choose("SCRAM-SHA-256"), Ok(()));
    }

    #[test]
    fn the_user_of_scram_is_read_as_it_is_written() {
        assert_eq!(scram_user("n,,n=ana,r=abc").as_deref(), Some("ana"));
        assert_eq!(scram_user("n,a=eva,n=a=2Cb=3Dc,r=abc").as_deref(), Some("a,b=c"));
        assert_eq!(scram_user("n,,r=abc"), None);
    }
}
