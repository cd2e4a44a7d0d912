//! Magic links by e-mail. The mail goes over plain SMTP, because it goes to a mail catcher for development.

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::settings::configuration::{self as keys, Configuration, ValueError};

/// The submission port that the Platform documents.
const PORT: u16 = 587;

/// How links are sent. No `Debug`, because it may have a password.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
}

/// The mail settings do not work.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// A setting is missing.
    #[error("e-mail sign-in is incomplete: {missing} is missing")]
    Incomplete {
        /// The variable to set.
        missing: &'static str,
    },
    /// The sandbox does not speak TLS with mail servers.
    #[error("mail.smtp.starttls.required: the sandbox sends mail without TLS, to a mail catcher")]
    NoTls,
    /// A value does not fit its setting.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl Smtp {
    /// None if no mail server is set.
    pub(crate) fn read(from: &Configuration) -> Result<Option<Self>, SmtpError> {
        let Some(host) = from.text(keys::SMTP_HOST) else { return Ok(None) };
        if from.flag(keys::SMTP_STARTTLS)? {
            return Err(SmtpError::NoTls);
        }
        let port =
            from.parsed(keys::SMTP_PORT, |text| text.parse().map_err(|_| format!("{text:?} is no port")))?;
        let sender = from.parsed(keys::CONTACT_EMAIL, |text| {
            text.parse().map_err(|error| format!("{text:?} is no address: {error}"))
        })?;
        let sender = sender.ok_or(SmtpError::Incomplete { missing: keys::CONTACT_EMAIL.1 })?;
        let mut transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port.unwrap_or(PORT));
        let value = |key: keys::Key| from.text(key).ok_or(SmtpError::Incomplete { missing: key.1 });
        if from.flag(keys::SMTP_AUTH)? {
            let (user, password) = (value(keys::SMTP_USER)?, value(keys::SMTP_PASSWORD)?);
            transport = transport.credentials(Credentials::new(user.to_owned(), password.to_owned()));
        }
        Ok(Some(Self { transport: transport.build(), sender }))
    }

    /// Sends the link, or returns why it could not.
    pub(crate) async fn send_link(&self, to: &str, link: &str) -> Result<(), String> {
        let to: Mailbox = to.parse().map_err(|_| format!("{to:?} is no e-mail address"))?;
        let text = format!(
            "Sandbox: not Seqera, nothing real.\n\nOpen this address to sign in. It works once, for 15 minutes.\n\n\
             {link}\n\nIf you did not ask for it, do nothing.\n"
        );
        let mail = Message::builder()
            .from(self.sender.clone())
            .to(to)
            .subject("Sandbox: your sign-in link")
            .body(text)
            .map_err(|error| error.to_string())?;
        let sent = self.transport.send(mail).await;
        sent.map(drop).map_err(|error| format!("the mail could not be sent: {error}"))
    }
}
