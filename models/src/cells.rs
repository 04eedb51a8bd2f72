//! Models of [`Cells`]: a cell has one owner at a time, the thread that took it or the one that clears it.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::Model;
use crate::sys::cells::Cells;

pub const MODELS: &[Model] = &[
    ("cells: one takes while another clears", one_takes_while_another_clears),
    ("cells: two take runs", two_take_runs),
];

struct Row {
    cells: Cells,
    /// What is in the first cells: nothing is when it is cleared.
    contents: [AtomicUsize; 3],
}

impl Row {
    fn new() -> Arc<Row> {
        Arc::new(Row {
            cells: Cells::default(),
            contents: [AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)],
        })
    }

    /// Takes a run, writes to all of it, and finds there what it wrote.
    fn use_run(&self, owner: usize, cells: usize) {
        let first = self.cells.take(cells).unwrap();
        let run = &self.contents[first..first + cells];
        run.iter().for_each(|cell| cell.store(owner, Ordering::Relaxed));
        for cell in run {
            assert_eq!(cell.load(Ordering::Relaxed), owner, "the cell is another's, too");
        }
        self.cells.give(first, cells);
    }
}

fn one_takes_while_another_clears() {
    let row = Row::new();
    let sweeper = {
        let row = row.clone();
        thread::spawn(move || {
            row.cells.age();
            row.cells.age();
            row.cells.sweep(|first, cells| {
                let run = &row.contents[first..first + cells];
                run.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
                for cell in run {
                    assert_eq!(cell.load(Ordering::Relaxed), 0, "what is cleared is in use");
                }
            });
        })
    };
    row.use_run(1, 1);
    row.use_run(2, 2);
    sweeper.join().unwrap();
    assert_eq!(row.cells.left().1, 0, "a cell is never free again");
}

fn two_take_runs() {
    let row = Row::new();
    let other = {
        let row = row.clone();
        thread::spawn(move || {
            row.use_run(1, 2);
        })
    };
    row.use_run(2, 1);
    row.use_run(3, 1);
    other.join().unwrap();
    assert_eq!(row.cells.left().1, 0);
}
