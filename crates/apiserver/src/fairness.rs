//! Whose turn it is: a bounded number of requests at work, and behind them one queue a caller, served in turn.
//!
//! A caller that asks for much waits behind itself. The server's own calls and the administrators' do not wait, as the `exempt`
//! priority level of Kubernetes has it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use apimachinery::{request_info::RequestInfo, status::Status};
use tokio::sync::oneshot;

use crate::{caller::Caller, failure::Outcome};

/// How many requests are at work at once.
const AT_WORK: usize = 128;
/// How many of them may be one caller's.
const ONE_CALLER: usize = 32;
/// How many requests of one caller wait at most.
const WAITING: usize = 512;
/// How long a request waits at most.
const PATIENCE: Duration = Duration::from_secs(15);

/// Gives places to requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fairness {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    at_work: usize,
    callers: HashMap<Arc<str>, Queue>,
    /// Callers that wait, in the order of their turns.
    turns: VecDeque<Arc<str>>,
}

#[derive(Debug, Default)]
struct Queue {
    at_work: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place among the requests at work, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Option<(Fairness, Arc<str>)>,
}

impl Fairness {
    /// A place for a request, at once or when it is its turn.
    pub(crate) async fn enter(&self, caller: &Caller, info: &RequestInfo<'_>) -> Outcome<Place> {
        if caller.is_master() || !info.is_resource {
            return Ok(Place { of: None });
        }
        let turn = {
            let mut state = self.lock();
            let user: Arc<str> = caller.user.as_str().into();
            let free = state.at_work < AT_WORK;
            let queue = state.callers.entry(Arc::clone(&user)).or_default();
            if free && queue.at_work < ONE_CALLER && queue.waiting.is_empty() {
                queue.at_work += 1;
                state.at_work += 1;
                return Ok(Place { of: Some((self.clone(), user)) });
            }
            if queue.waiting.len() >= WAITING {
                return Err(too_many());
            }
            let (sender, turn) = oneshot::channel();
            queue.waiting.push_back(sender);
            if queue.waiting.len() == 1 {
                state.turns.push_back(user);
            }
            turn
        };
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(too_many()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, user: &Arc<str>) {
        let mut state = self.lock();
        state.at_work = state.at_work.saturating_sub(1);
        if let Some(queue) = state.callers.get_mut(user) {
            queue.at_work = queue.at_work.saturating_sub(1);
            if queue.at_work == 0 && queue.waiting.is_empty() {
                state.callers.remove(user);
            }
        }
        // Places that nobody takes come back here: told after the lock is free.
        let given = self.give(&mut state);
        drop(state);
        for (sender, place) in given {
            drop(sender.send(place));
        }
    }

    /// Free places for those who wait, one a caller and round.
    fn give(&self, state: &mut State) -> Vec<(oneshot::Sender<Place>, Place)> {
        let mut given = Vec::new();
        let mut passed_over = 0;
        while state.at_work < AT_WORK && passed_over < state.turns.len() {
            let Some(user) = state.turns.pop_front() else { break };
            let Some(queue) = state.callers.get_mut(&user) else { continue };
            // Whoever went away does not take a place.
            while queue.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                queue.waiting.pop_front();
            }
            if queue.waiting.is_empty() {
                if queue.at_work == 0 {
                    state.callers.remove(&user);
                }
                continue;
            }
            if queue.at_work >= ONE_CALLER {
                passed_over += 1;
                state.turns.push_back(user);
                continue;
            }
            if let Some(sender) = queue.waiting.pop_front() {
                queue.at_work += 1;
                state.at_work += 1;
                given.push((sender, Place { of: Some((self.clone(), Arc::clone(&user))) }));
            }
            if !queue.waiting.is_empty() {
                state.turns.push_back(user);
            }
            passed_over = 0;
        }
        given
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((fairness, user)) = self.of.take() {
            fairness.leave(&user);
        }
    }
}

fn too_many() -> Box<Status> {
    Status::too_many_requests("too many requests, please try again later", Duration::from_secs(1)).into()
}

#[cfg(test)]
mod tests {
    use apimachinery::target::Query;
    use http::Method;

    use super::*;

    async fn enter(fairness: &Fairness, user: &str) -> Outcome<Place> {
        let info = RequestInfo::read(&Method::GET, "/api/v1/namespaces", Query::default()).unwrap();
        fairness.enter(&Caller::new(user, &[]), &info).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_much_to_ask_does_not_keep_another_waiting() {
        let fairness = Fairness::default();
        let mut places = Vec::new();
        for _ in 0..ONE_CALLER {
            places.push(enter(&fairness, "greedy").await.unwrap());
        }
        let waits = tokio::spawn({
            let fairness = fairness.clone();
            async move { enter(&fairness, "greedy").await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(enter(&fairness, "modest").await.unwrap());
        places.pop();
        assert!(waits.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn places_go_round_among_those_who_wait() {
        let fairness = Fairness::default();
        let mut places = Vec::new();
        for at in 0..AT_WORK {
            places.push(enter(&fairness, &format!("user{}", at % 8)).await.unwrap());
        }
        let mut waiting = Vec::new();
        for user in ["a", "a", "a", "b"] {
            let fairness = fairness.clone();
            waiting.push((user, tokio::spawn(async move { enter(&fairness, user).await })));
            tokio::task::yield_now().await;
        }
        places.pop();
        places.pop();
        tokio::task::yield_now().await;
        let served: Vec<&str> =
            waiting.iter().filter(|(_, waits)| waits.is_finished()).map(|(user, _)| *user).collect();
        assert_eq!(served, ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_to_come_again() {
        let fairness = Fairness::default();
        let mut places = Vec::new();
        for _ in 0..ONE_CALLER {
            places.push(enter(&fairness, "greedy").await.unwrap());
        }
        let refused = enter(&fairness, "greedy").await.unwrap_err();
        assert_eq!((refused.code().as_u16(), refused.retry_after()), (429, Some(1)));
        drop(places);
        assert!(enter(&fairness, "greedy").await.is_ok());
        assert_eq!(fairness.lock().at_work, 0);
    }
}
