//! Who may come in, and which doors may be seen from other machines.

use std::fmt;
use std::net::SocketAddr;

use pgwire::api::auth::sasl::scram::ScramSecret;
use sql::Identity;
use sql::roles::Secret;

/// The operator, whom every door lets in; the others who come in are roles of the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl Default for Credentials {
    /// User and password `caudal`: good for doors on loopback only, see [`check_exposed`].
    fn default() -> Credentials {
        Credentials { user: "caudal".to_owned(), password: "caudal".to_owned() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Finds what a role's password is checked with.
pub(crate) type Roles = Box<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// Tells whether somebody is who they say.
pub(crate) struct Verifier {
    operator: String,
    secret: Secret,
    roles: Roles,
    /// For who is nobody: no password is this one's.
    nobody: Secret,
}

impl Verifier {
    /// `roles`: those that the door lets in besides the operator, who has the name where a role has the same.
    pub(crate) fn new(operator: &Credentials, roles: Roles) -> Verifier {
        let nobody = Secret::of(&String::from_utf8_lossy(&rand::random::<[u8; 32]>()));
        Verifier { operator: operator.user.clone(), secret: Secret::of(&operator.password), roles, nobody }
    }

    /// What a user's proof is checked against. A user that is not there is asked for a password like any other, and no
    /// proof fits.
    pub(crate) fn secret(&self, user: &str) -> ScramSecret {
        let Secret { iterations, salt, stored_key, server_key } = self.kept(user);
        ScramSecret::Verifier {
            salt,
            iterations: iterations.get() as usize,
            stored_key: stored_key.to_vec(),
            server_key: server_key.to_vec(),
        }
    }

    /// Whether a password is this user's. Takes milliseconds, on purpose: not for a thread that others wait for.
    pub(crate) fn admits(&self, user: &str, password: &str) -> bool {
        self.kept(user).admits(password)
    }

    /// Who a user is whom a password or a proof has shown to be so.
    pub(crate) fn identity(&self, user: &str) -> Identity {
        match user == self.operator {
            true => Identity::Operator(user.to_owned()),
            false => Identity::Role(user.to_owned()),
        }
    }

    /// Whether there is somebody of this name. Who asks to come in is not told.
    pub(crate) fn knows(&self, user: &str) -> bool {
        user == self.operator || (self.roles)(user).is_some()
    }

    /// What a user's password is checked with now.
    pub(crate) fn kept(&self, user: &str) -> Secret {
        match user == self.operator {
            true => self.secret.clone(),
            false => (self.roles)(user).unwrap_or_else(|| self.nobody.clone()),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("operator", &self.operator).finish_non_exhaustive()
    }
}

/// A door of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Postgres,
    Http,
    Mqtt,
    MqttWebSocket,
    Kafka,
    Gem,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Door::Postgres => "pg",
            Door::Http => "http",
            Door::Mqtt => "mqtt",
            Door::MqttWebSocket => "mqtt-ws",
            Door::Kafka => "kafka",
            Door::Gem => "gem",
        })
    }
}

/// Why a door must not open: everybody who reaches the address could come in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    #[error(
        "the {door} door on {address} can be reached from other machines, and user and password are the well-known \
         defaults: set a user and a password, or use a loopback address such as 127.0.0.1:{port}",
        port = address.port()
    )]
    WithoutCredentials { door: Door, address: SocketAddr },
}

/// Refuses a door on an address that is not loopback unless it asks for credentials that the operator chose. `own`:
/// whether there are such credentials, other than the defaults.
pub fn check_exposed(door: Door, address: SocketAddr, own: bool) -> Result<(), Exposed> {
    // A GEM says no password: whom that door lets in is for the table of channels to say.
    if address.ip().to_canonical().is_loopback() || door == Door::Gem {
        return Ok(());
    }
    if own { Ok(()) } else { Err(Exposed::WithoutCredentials { door, address }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn doors_on_loopback_open_with_the_defaults() {
        for door in [Door::Postgres, Door::Http, Door::Mqtt, Door::Kafka] {
            for text in ["127.0.0.1:5432", "127.9.9.9:0", "[::1]:5432", "[::ffff:127.0.0.1]:1"] {
                assert_eq!(check_exposed(door, address(text), false), Ok(()), "{door} on {text}");
            }
        }
    }

    #[test]
    fn doors_that_others_reach_ask_for_credentials_of_their_own() {
        for text in ["0.0.0.0:5432", "192.168.1.7:5432", "[::]:5432", "[::ffff:10.0.0.1]:1"] {
            let refused = check_exposed(Door::Postgres, address(text), false).unwrap_err();
            assert!(refused.to_string().contains("set a user and a password"), "{refused}");
            assert_eq!(check_exposed(Door::Postgres, address(text), true), Ok(()));
            for door in [Door::Http, Door::Mqtt, Door::Kafka] {
                assert!(check_exposed(door, address(text), false).is_err());
                assert_eq!(check_exposed(door, address(text), true), Ok(()));
            }
            assert_eq!(check_exposed(Door::Gem, address(text), false), Ok(()));
        }
    }

    #[test]
    fn only_the_user_with_the_password_is_admitted() {
        let meter = Secret::of("m3ter");
        let roles = Box::new(move |user: &str| (user == "meter" || user == "ana").then(|| meter.clone()));
        let operator = Credentials { user: "ana".to_owned(), password: "s3cret".to_owned() };
        let verifier = Verifier::new(&operator, roles);
        assert!(verifier.admits("ana", "s3cret") && verifier.admits("meter", "m3ter"));
        assert_eq!(verifier.identity("ana"), Identity::Operator("ana".to_owned()));
        assert_eq!(verifier.identity("meter"), Identity::Role("meter".to_owned()));
        // A role with the operator's name is not the operator.
        let others = [("ana", "m3ter"), ("meter", "s3cret")];
        for (user, password) in others.into_iter().chain([("ana", "S3cret"), ("ana", ""), ("eva", "s3cret"), ("", "")])
        {
            assert!(!verifier.admits(user, password), "{user} with {password:?}");
        }
    }

    #[test]
    fn debug_output_has_no_password() {
        let shown = format!("{:?}", Credentials { user: "ana".to_owned(), password: "s3cret".to_owned() });
        assert!(shown.contains("ana") && !shown.contains("s3cret"), "{shown}");
    }
}
