//! How two outputs differ.

/// The lines that differ, with a few lines around them: `-` the first text, `+` the second.
pub fn difference(first: &str, second: &str) -> String {
    const CONTEXT: usize = 4;
    const MOST: usize = 80;
    const LINES: usize = 4000;
    let (first, second): (Vec<&str>, Vec<&str>) = (
        first.lines().take(LINES).collect(),
        second.lines().take(LINES).collect(),
    );
    let lines = edit_script(&first, &second);
    let near = |index: usize| {
        let from = index.saturating_sub(CONTEXT);
        lines[from..lines.len().min(index + CONTEXT + 1)]
            .iter()
            .any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let shown = (0..lines.len())
        .filter(|&index| near(index) || lines[index].1.starts_with('#') && lines[index].0 == ' ')
        .take(MOST);
    for index in shown {
        text.push(lines[index].0);
        text.push_str(lines[index].1);
        text.push('\n');
    }
    text
}

/// Pairs the lines up by their longest common subsequence.
fn edit_script<'a>(first: &[&'a str], second: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = second.len() + 1;
    let mut longest = vec![0_u32; (first.len() + 1) * width];
    for i in (0..first.len()).rev() {
        for k in (0..second.len()).rev() {
            longest[i * width + k] = if first[i] == second[k] {
                longest[(i + 1) * width + k + 1] + 1
            } else {
                longest[(i + 1) * width + k].max(longest[i * width + k + 1])
            };
        }
    }
    let (mut i, mut k, mut lines) = (0, 0, Vec::new());
    while i < first.len() || k < second.len() {
        if i < first.len() && k < second.len() && first[i] == second[k] {
            lines.push((' ', first[i]));
            (i, k) = (i + 1, k + 1);
        } else if k == second.len() || i < first.len() && longest[(i + 1) * width + k] >= longest[i * width + k + 1] {
            lines.push(('-', first[i]));
            i += 1;
        } else {
            lines.push(('+', second[k]));
            k += 1;
        }
    }
    lines
}
