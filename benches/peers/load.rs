//! So many clients, each of which runs one workflow after another, and how long each took.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::child::{Measured, Run};

/// Errors in a row after which a client gives up.
const ERRORS_MAX: u64 = 1000;
/// How long is waited for a slow system.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs the clients for a while and says what came of it. `operate` runs one workflow, whose name is given, to its end.
///
/// Clients that are still at work when the time is over are left where they are: the process ends.
pub(crate) async fn run<F>(
    run: &Run,
    operate: impl Fn(String) -> F + Send + Sync + 'static,
) -> Result<Measured, String>
where
    F: Future<Output = Result<(), String>> + Send,
{
    let operate = Arc::new(operate);
    let counting = Arc::new(AtomicBool::new(false));
    let errors = Arc::new(AtomicU64::new(0));
    let first_error = Arc::new(Mutex::new(None::<String>));
    let took = Arc::new(Mutex::new(Vec::<u64>::new()));
    for client in 0..run.clients {
        let (operate, counting, took) = (operate.clone(), counting.clone(), took.clone());
        let (errors, first_error) = (errors.clone(), first_error.clone());
        tokio::spawn(async move {
            for n in 0_u64.. {
                let begun = Instant::now();
                // Sorted by when it began, as the ids of requests of the house are.
                if let Err(error) = operate(format!("{n:010}-{client}")).await {
                    first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    if errors.fetch_add(1, Ordering::Relaxed) >= ERRORS_MAX {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                } else if counting.load(Ordering::Relaxed) {
                    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                    took.lock().unwrap_or_else(PoisonError::into_inner).push(micros);
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_secs_f64(run.warm)).await;
    let (begun, clock) = (since_1970(), Instant::now());
    counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs_f64(run.seconds)).await;
    // So long that on the average each client has come to an end once, or there is a figure of the quickest alone.
    while clock.elapsed() < LONGEST
        && took.lock().unwrap_or_else(PoisonError::into_inner).len() < run.clients
        && errors.load(Ordering::Relaxed) < ERRORS_MAX
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut took = std::mem::take(&mut *took.lock().unwrap_or_else(PoisonError::into_inner));
    let (ended, seconds) = (since_1970(), clock.elapsed().as_secs_f64());
    let first_error = first_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let (true, Some(error)) = (took.is_empty(), &first_error) {
        return Err(error.clone());
    }
    if took.is_empty() {
        return Err(format!("no workflow ended in {:.0} s", run.warm + seconds));
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    Ok(Measured {
        begun,
        ended,
        seconds,
        workflows: took.len() as u64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        peak_kib: peak_kib(),
        errors: errors.load(Ordering::Relaxed),
        first_error: first_error.unwrap_or_default(),
    })
}

fn since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The largest resident set this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
