//! Problems as a compiler shows them: place, excerpt, caret, help.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use tidings_contracts::{Loaded, Problem};

/// Writes every problem, with a blank line after each.
pub(crate) fn problems(loaded: &Loaded, out: &mut impl Write) -> std::io::Result<()> {
    let is_terminal = stdout().is_terminal() && stderr().is_terminal();
    let renderer = if is_terminal && std::env::var_os("NO_COLOR").is_none() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    for problem in &loaded.problems {
        writeln!(out, "{}\n", render(problem, loaded, &renderer))?;
    }
    Ok(())
}

/// `1 problem`, `2 problems`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn render(problem: &Problem, loaded: &Loaded, renderer: &Renderer) -> String {
    let path = problem.path.display().to_string();
    let place: Element<'_> = match loaded.files.text_at(&problem.path) {
        Some(text) if !problem.span.is_empty() => Snippet::source(text)
            .path(path)
            .annotation(AnnotationKind::Primary.span(first_line(text, &problem.span)))
            .into(),
        // An empty file, or one that is no text: a place, but nothing to show there.
        text if text.is_some() || (problem.line, problem.column) != (1, 1) => {
            Origin::path(path).line(problem.line).char_column(problem.column).into()
        }
        _ => Origin::path(path).into(),
    };
    let mut group = Level::ERROR.primary_title(problem.message.as_str()).element(place);
    if !problem.help.is_empty() {
        group = group.element(Level::HELP.message(problem.help.as_str()));
    }
    renderer.render(&[group])
}

/// The part of a span on its first line: an object's excerpt need not show all of it.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let blamed = text.get(span.clone()).unwrap_or("");
    let length = blamed.find(['\n', '\r']).unwrap_or(blamed.len());
    span.start..span.start + length
}
