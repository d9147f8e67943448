//! What a user can have a node do, and how it is typed.

use std::path::PathBuf;

use crate::args::Limit;
use crate::exit::{Error, Result};

/// What a user can have a node do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Meet a node: HOST:PORT, a ticket's node, or a name.
    Connect(String),
    /// Say something to a node.
    Send(String, String),
    /// Say something to everybody.
    Broadcast(String),
    /// Offer files and folders to a node.
    SendFile(String, Vec<PathBuf>),
    /// Serve files and folders, and print the ticket.
    Share(Vec<PathBuf>),
    /// Fetch what a ticket or link names.
    Get(String, Option<PathBuf>),
    /// Accept an offer: into a folder, and only what matches.
    Accept(u32, Option<PathBuf>, Vec<String>),
    /// Decline an offer.
    Decline(u32),
    /// Pause a transfer.
    Pause(u32),
    /// Go on with it.
    Resume(u32),
    /// End it; what is verified is kept.
    Cancel(u32),
    /// Dial at once, or fetch again what failed.
    Retry(u32),
    /// Forget a transfer; end it first if it is under way.
    Remove(u32),
    /// Limits of rates, up and down.
    Limit(Limit, Limit),
    /// Call a node by a name.
    Name(String, String),
    /// Accept offers of a node unasked, or no longer.
    Trust(String, bool),
    /// Who is here.
    Peers,
    /// What moves, and what is offered.
    Transfers,
    /// What can be typed.
    Help,
    /// End.
    Quit,
}

/// What can be typed, and what it does.
pub const HELP: &[(&str, &str)] = &[
    ("connect HOST:PORT|NAME", "meet a node; its key is remembered, and no other is taken there later"),
    ("send PEER TEXT", "say something; PEER is a name, the beginning of a key, or HOST:PORT"),
    ("broadcast TEXT", "say something to everybody, also to those that only others reach"),
    ("sendfile PEER PATH…", "offer files and folders"),
    ("accept OFFER [DIR] [--only GLOB]…", "fetch what was offered"),
    ("decline OFFER", "say no"),
    ("share PATH…", "serve to whoever has the ticket"),
    ("get TICKET|LINK [DIR]", "fetch"),
    ("peers", "who is here"),
    ("transfers", "what moves, and what is offered"),
    ("pause|resume|cancel|retry TRANSFER", "steer a transfer"),
    ("rm TRANSFER", "forget it; what is verified is kept"),
    ("limit UP[/DOWN]", "at most so many bytes a second, as 5M, 800K/none"),
    ("name PEER NAME", "call a node so"),
    ("trust PEER, distrust PEER", "take its offers unasked, or no longer"),
    ("help, quit", ""),
];

impl Order {
    /// Reads a line; none if it is empty.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(line: &str) -> Result<Option<Self>> {
        let line = line.trim();
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let words = || split(rest);
        let one = || match &words()[..] {
            [word] => Ok(word.clone()),
            _ => Err(usage(verb)),
        };
        let number = || one()?.trim_start_matches('#').parse::<u32>().map_err(|_| usage(verb));
        Ok(Some(match verb {
            "" => return Ok(None),
            "connect" => Self::Connect(one()?),
            "send" => {
                let (to, text) = rest.split_once(char::is_whitespace).ok_or_else(|| usage(verb))?;
                Self::Send(to.to_owned(), text.trim().to_owned())
            }
            "broadcast" if !rest.is_empty() => Self::Broadcast(rest.to_owned()),
            "sendfile" => match &words()[..] {
                [to, paths @ ..] if !paths.is_empty() => {
                    Self::SendFile(to.clone(), paths.iter().map(PathBuf::from).collect())
                }
                _ => return Err(usage(verb)),
            },
            "share" if !rest.is_empty() => Self::Share(words().into_iter().map(PathBuf::from).collect()),
            "get" => match &words()[..] {
                [source] => Self::Get(source.clone(), None),
                [source, folder] => Self::Get(source.clone(), Some(folder.into())),
                _ => return Err(usage(verb)),
            },
            "accept" => return accept(&words()).map(Some),
            "decline" => Self::Decline(number()?),
            "pause" => Self::Pause(number()?),
            "resume" => Self::Resume(number()?),
            "cancel" => Self::Cancel(number()?),
            "retry" => Self::Retry(number()?),
            "rm" => Self::Remove(number()?),
            "limit" => {
                let text = one()?;
                let (up, down) = text.split_once('/').unwrap_or((&text, &text));
                let rate = |text: &str| text.parse::<Limit>().map_err(Error::usage);
                Self::Limit(rate(up)?, rate(down)?)
            }
            "name" => match &words()[..] {
                [node, name] => Self::Name(node.clone(), name.clone()),
                _ => return Err(usage(verb)),
            },
            "trust" => Self::Trust(one()?, true),
            "distrust" => Self::Trust(one()?, false),
            "peers" if rest.is_empty() => Self::Peers,
            "transfers" | "offers" if rest.is_empty() => Self::Transfers,
            "help" | "?" => Self::Help,
            "quit" | "exit" => Self::Quit,
            _ => return Err(usage(verb)),
        }))
    }
}

fn accept(words: &[String]) -> Result<Order> {
    let (first, rest) = words.split_first().ok_or_else(|| usage("accept"))?;
    let number = first.trim_start_matches('#').parse().map_err(|_| usage("accept"))?;
    let (mut folder, mut only) = (None, Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--only" => only.push(rest.next().ok_or_else(|| usage("accept"))?.clone()),
            _ if folder.is_none() => folder = Some(PathBuf::from(word)),
            _ => return Err(usage("accept")),
        }
    }
    Ok(Order::Accept(number, folder, only))
}

fn usage(verb: &str) -> Error {
    let known = HELP.iter().find(|(form, _)| {
        let verbs = form.split(' ').next().unwrap_or_default();
        verbs.split('|').any(|known| known.trim_end_matches(',') == verb)
    });
    match known {
        Some((form, _)) => Error::usage(format!("it is: {form}")),
        None => Error::usage(format!("{verb} is no command")).hint("`help` lists all"),
    }
}

/// Words of a line: spaces part them, unless they are quoted or after a backslash.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Order> {
        Order::read(line).unwrap()
    }

    #[test]
    fn lines_are_read_as_people_type_them() {
        assert_eq!(read("  "), None);
        assert_eq!(read("send bob  héllo  wörld "), Some(Order::Send("bob".into(), "héllo  wörld".into())));
        let paths = vec![PathBuf::from("my file.txt"), PathBuf::from("b c"), PathBuf::from("d")];
        assert_eq!(
            read("sendfile 127.0.0.1:7000 'my file.txt' b\\ c d"),
            Some(Order::SendFile("127.0.0.1:7000".into(), paths))
        );
        let accept = Order::Accept(3, Some("there".into()), vec!["*.jpg".into()]);
        assert_eq!(read("accept #3 there --only *.jpg"), Some(accept));
        assert_eq!(read("pause 2"), Some(Order::Pause(2)));
        assert_eq!(read("peers"), Some(Order::Peers));
    }

    #[test]
    fn what_cannot_be_read_is_said_with_the_right_form() {
        assert_eq!(Order::read("connect").unwrap_err().what.as_str(), "it is: connect HOST:PORT|NAME");
        assert_eq!(
            Order::read("pause x").unwrap_err().what.as_str(),
            "it is: pause|resume|cancel|retry TRANSFER"
        );
        assert_eq!(Order::read("dance").unwrap_err().what.as_str(), "dance is no command");
        assert!(Order::read("limit 5Q").is_err());
    }
}
