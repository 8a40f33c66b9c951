//! The calls of a balancer. Those to one server go out together, and to all servers at once: what a
//! server does for a call is little beside being woken for it.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use redis::{Cmd, Value};

use crate::connect::{whole, Servers};
use crate::failure::{is_unreachable, Failure};
use crate::reply::int;

/// A server that did not answer is left alone for so long; its buckets are missed meanwhile.
const ALONE: Duration = Duration::from_secs(1);

/// A call on a key.
pub type KeyCall = (String, Cmd);
/// Who answered, and what.
pub type Answer = (String, Value);

/// The servers, and what went wrong with them in this round.
pub struct Calls<'a> {
    servers: &'a mut Servers,
    /// Servers that did not answer, and when.
    down: HashMap<String, Instant>,
    /// The first error of this round, which went on without the bucket.
    error: Option<anyhow::Error>,
}

impl<'a> Calls<'a> {
    pub fn new(servers: &'a mut Servers) -> Self {
        Calls { servers, down: HashMap::new(), error: None }
    }

    /// Finds the servers again.
    ///
    /// # Errors
    /// As [`Servers::discover`].
    pub async fn discover(&mut self) -> Result<()> {
        self.servers.discover().await
    }

    /// The first thing that went wrong since this was asked last.
    pub fn take_error(&mut self) -> Option<anyhow::Error> {
        self.error.take()
    }

    /// Whether something was done; what went wrong is kept, and the round goes on.
    pub fn kept<T>(&mut self, done: Result<T>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    /// An error where the server did not answer a moment ago: then it is not asked.
    fn check_up(&self, address: &str) -> Result<()> {
        if self.down.get(address).is_some_and(|since| since.elapsed() < ALONE) {
            return Err(Failure::Unreachable(format!("{address} did not answer")).into());
        }
        Ok(())
    }

    fn note<T>(&mut self, address: &str, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer {
            if is_unreachable(error) {
                self.down.insert(address.to_string(), Instant::now());
            }
        }
        answer
    }

    /// One call.
    ///
    /// # Errors
    /// As [`Servers::ask_key`]; [`Failure::Unreachable`] at once for a server that did not answer a
    /// moment ago.
    pub async fn ask(&mut self, key: &str, command: &Cmd) -> Result<Answer> {
        let home = self.servers.home_of(key.as_bytes())?;
        self.check_up(&home)?;
        let answer = self.servers.ask_key(key.as_bytes(), command).await;
        self.note(&home, answer)
    }

    /// Calls that need not wait for each other: the answer to each, in their order, where there is
    /// one. One way to each server, and one more for each call whose slot moves.
    pub async fn ask_all(&mut self, calls: &[KeyCall]) -> Vec<Option<Answer>> {
        let mut found: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, (key, _)) in calls.iter().enumerate() {
            let home = self.servers.home_of(key.as_bytes());
            let home = home.and_then(|home| self.check_up(&home).map(|()| home));
            let Some(home) = self.kept(home) else { continue };
            places.entry(home).or_default().push(place);
        }
        let command = |place: &usize| calls.get(*place).map(|(_, command)| command.clone());
        let batch =
            |(home, places): (&String, &Vec<usize>)| (home.clone(), places.iter().filter_map(command).collect());
        let batches: Vec<(String, Vec<Cmd>)> = places.iter().map(batch).collect();
        let answered = self.servers.ask_batches(&batches).await;
        let mut again = Vec::new();
        for ((home, places), answers) in places.into_iter().zip(answered) {
            let answers = self.note(&home, answers);
            for (place, answer) in places.into_iter().zip(self.kept(answers).into_iter().flatten()) {
                if matches!(answer, Value::ServerError(_)) {
                    again.push(place);
                } else if let Some(found) = found.get_mut(place) {
                    *found = Some((home.clone(), answer));
                }
            }
        }
        for place in again {
            let (Some((key, command)), Some(found)) = (calls.get(place), found.get_mut(place)) else { continue };
            let answer = self.ask(key, command).await;
            *found = self.kept(answer);
        }
        found
    }

    /// Those of the servers whose replicas have seen what was written there: so many of them,
    /// within so many milliseconds.
    pub async fn replicated(&mut self, servers: Vec<String>, replicas: u32, wait_ms: u64) -> Vec<String> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(wait_ms);
        let batches: Vec<(String, Vec<Cmd>)> = servers.into_iter().map(|server| (server, vec![wait.clone()])).collect();
        let answered = self.servers.ask_batches(&batches).await;
        let mut seen = Vec::new();
        for ((server, _), answers) in batches.into_iter().zip(answered) {
            let count = answers.and_then(|mut answers| {
                let answer = whole(&server, answers.pop().context("no answer")?)?;
                int(&answer).context("WAIT answers a number")
            });
            let count = self.note(&server, count);
            if self.kept(count).is_some_and(|count| count >= i64::from(replicas)) {
                seen.push(server);
            }
        }
        seen
    }
}
