//! Hashing of passwords on threads of its own: each needs some tens of milliseconds and 19 MiB, which neither a worker nor the
//! control runtime has to give.
//!
//! So many at once as there are threads, however many people sign in: memory is bounded by that. The threads are nice to all others,
//! so that requests do not wait for passwords.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

/// Sign-ins that wait for a thread; beyond them the caller is told to come back.
const WAITING: usize = 1024;
/// How nice the threads are: they still get some time on a busy machine.
const NICE: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many people sign in at this moment")]
pub struct Busy;

/// The threads. Cheap to clone; they end with the last clone.
#[derive(Clone, Debug)]
pub struct Hasher {
    jobs: mpsc::SyncSender<Job>,
}

impl Hasher {
    /// Starts `threads` of them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(WAITING);
        let inbox = Arc::new(Mutex::new(inbox));
        for index in 0..threads.max(1) {
            let inbox = Arc::clone(&inbox);
            thread::Builder::new().name(format!("drover-hash-{index}")).spawn(move || {
                // On Linux the niceness of a process is that of one thread. Where it is refused all is as fair as before.
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
                loop {
                    let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    job();
                }
            })?;
        }
        Ok(Self { jobs })
    }

    /// Runs `work` on one of the threads.
    ///
    /// # Errors
    /// When too many wait already.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever went away needs no answer, and the machine no work.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        self.jobs.try_send(job).map_err(|_| Busy)?;
        result.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use super::{Busy, Hasher, WAITING};

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_threads() {
        let hasher = Hasher::start(2).unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all = (0..20).map(|_| {
            let (hasher, now, most) = (hasher.clone(), Arc::clone(&now), Arc::clone(&most));
            async move {
                let work = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                hasher.run(work).await
            }
        });
        assert!(futures_util::future::join_all(all).await.into_iter().all(|done| done.is_ok()));
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn more_than_can_wait_are_sent_away() {
        let hasher = Hasher::start(1).unwrap();
        let gate = Arc::new(Barrier::new(2));
        let held = Arc::clone(&gate);
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                hasher
                    .run(move || {
                        held.wait();
                    })
                    .await
            }
        });
        let mut waiting = Vec::new();
        let full = loop {
            let mut one = Box::pin(hasher.run(|| ()));
            match futures_util::poll!(&mut one) {
                std::task::Poll::Ready(result) => break result,
                std::task::Poll::Pending => waiting.push(one),
            }
            assert!(waiting.len() <= WAITING + 1);
            tokio::task::yield_now().await;
        };
        assert_eq!(full, Err(Busy));
        // Those who went away are passed over.
        drop(waiting);
        gate.wait();
        assert_eq!(first.await.unwrap(), Ok(()));
        // The thread has to pass over them first.
        while hasher.run(|| ()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.run(|| 7).await, Ok(7));
    }
}
