//! The official Python clients that the tests drive Kiln with: a virtual environment below the build folder.
//!
//! It is made once and again when `tests/clients/requirements.txt` changes. What cannot be installed fails the run.

use std::fs;
use std::path::PathBuf;

use crate::error::{Context as _, Result};
use crate::place;
use crate::run;

/// Where the tests find the interpreter.
pub(crate) const PYTHON_VARIABLE: &str = "KILN_TEST_PYTHON";
/// What is installed, by its path from the root.
const REQUIREMENTS: &str = "tests/clients/requirements.txt";

/// Makes sure of the clients; returns the interpreter that has them.
pub(crate) fn make_sure() -> Result<PathBuf> {
    let wanted = fs::read_to_string(place::root().join(REQUIREMENTS))
        .attempting(|| format!("reading `{REQUIREMENTS}`"))?;
    let folder = place::target()?.join("test-clients");
    let python = folder.join("bin/python3");
    let stamp = folder.join("installed.txt");
    if python.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("installing the clients of `{REQUIREMENTS}`");
    run::quietly(run::program("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = run::program(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]);
    run::quietly(&mut install)?;
    fs::write(&stamp, wanted).attempting(|| format!("writing `{}`", stamp.display()))?;
    Ok(python)
}
