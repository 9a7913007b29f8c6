//! One Rego engine behind five functions that WebAssembly can carry: texts in, JSON text out. It decides nothing; what
//! an answer means is for the agent (agent/service/policy/).

use regorus::{Engine, PolicyLengthConfig, Value};
use serde_json::{json, Value as Json};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Mutex;

/// Generated policies have environment values of many kilobytes on one line.
const MAX_COLUMNS: u32 = 64 * 1024;
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_LINES: usize = 200_000;

struct State {
    engine: Option<Engine>,
    /// Of the last call, until the next.
    answer: Vec<u8>,
}

static STATE: Mutex<State> = Mutex::new(State { engine: None, answer: Vec::new() });

type Outcome = Result<Json, String>;

fn new_engine(policy: &str, data: &str) -> Result<Engine, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    engine.set_gather_prints(true);
    if let (Some(max_col), Some(max_file_bytes), Some(max_lines)) =
        (NonZeroU32::new(MAX_COLUMNS), NonZeroUsize::new(MAX_BYTES), NonZeroUsize::new(MAX_LINES))
    {
        engine.set_policy_length_config(PolicyLengthConfig { max_col, max_file_bytes, max_lines });
    }
    engine.add_data(Value::from_json_str(data).map_err(|error| text(&error))?).map_err(|error| text(&error))?;
    engine.add_policy("policy".to_string(), policy.to_string()).map_err(|error| text(&error))?;
    Ok(engine)
}

fn evaluate(engine: &mut Engine, query: &str, input: &str) -> Outcome {
    engine.set_input_json(input).map_err(|error| error.to_string())?;
    let outcome = engine.eval_query(query.to_string(), false);
    let prints = engine.take_prints().unwrap_or_default();
    let results = outcome.map_err(|error| error.to_string())?;
    let values: Vec<&Value> =
        results.result.iter().flat_map(|result| result.expressions.iter()).map(|one| &one.value).collect();
    Ok(json!({ "values": serde_json::to_value(values).map_err(|error| error.to_string())?, "prints": prints }))
}

/// All of a JSON patch, or nothing of it; gives the data as it is now.
fn patch(engine: &mut Engine, operations: &str) -> Outcome {
    let operations: json_patch::Patch = serde_json::from_str(operations).map_err(|error| error.to_string())?;
    let mut data = serde_json::to_value(engine.get_data()).map_err(|error| error.to_string())?;
    json_patch::patch(&mut data, &operations).map_err(|error| error.to_string())?;
    let value = Value::from_json_str(&data.to_string()).map_err(|error| error.to_string())?;
    engine.clear_data();
    engine.add_data(value).map_err(|error| error.to_string())?;
    Ok(data)
}

fn answer(work: impl FnOnce(&mut State) -> Outcome) -> usize {
    let mut state = STATE.lock().unwrap_or_else(|broken| broken.into_inner());
    let outcome = work(&mut state);
    state.answer = match outcome {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": error }),
    }
    .to_string()
    .into_bytes();
    state.answer.len()
}

fn with_engine(work: impl FnOnce(&mut Engine) -> Outcome) -> usize {
    answer(|state| work(state.engine.as_mut().ok_or("no policy is set")?))
}

/// Room for a text that the agent writes; the call that takes the text takes the room back.
#[no_mangle]
pub extern "C" fn room(length: usize) -> *mut u8 {
    Box::into_raw(vec![0u8; length].into_boxed_slice()) as *mut u8
}

/// # Safety
/// `start` and `length` are of one `room`, and are given back here once.
unsafe fn take(start: *mut u8, length: usize) -> String {
    let bytes = Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, length));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[no_mangle]
pub extern "C" fn answer_at() -> *const u8 {
    STATE.lock().unwrap_or_else(|broken| broken.into_inner()).answer.as_ptr()
}

/// Another policy, with the data that its rules see as `data`. The one before stays when this one is wrong.
///
/// # Safety
/// Each pair is of one `room`.
#[no_mangle]
pub unsafe extern "C" fn set_policy(policy: *mut u8, policy_length: usize, data: *mut u8, data_length: usize) -> usize {
    let (policy, data) = (take(policy, policy_length), take(data, data_length));
    answer(|state| {
        state.engine = Some(new_engine(&policy, &data)?);
        Ok(Json::Null)
    })
}

/// The values of a query and what was printed on the way.
///
/// # Safety
/// Each pair is of one `room`.
#[no_mangle]
pub unsafe extern "C" fn query(query: *mut u8, query_length: usize, input: *mut u8, input_length: usize) -> usize {
    let (query, input) = (take(query, query_length), take(input, input_length));
    with_engine(|engine| evaluate(engine, &query, &input))
}

/// # Safety
/// The pair is of one `room`.
#[no_mangle]
pub unsafe extern "C" fn patch_data(operations: *mut u8, operations_length: usize) -> usize {
    let operations = take(operations, operations_length);
    with_engine(|engine| patch(engine, &operations))
}
