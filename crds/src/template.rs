//! Checks of prompt templates: what can be known of a Jinja template (minijinja) before any request renders it.
//!
//! A template that passes fails at render time only through the values that it is given.

mod scope;

use std::collections::BTreeSet;

use minijinja::{Environment, UndefinedBehavior};

/// One thing that is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, if the engine can say.
    pub position: Option<Position>,
    pub message: String,
}

/// A place in a text, counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// The engine as prompts use it: nothing undefined is ever rendered.
fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_debug(true);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine
}

/// Checks the syntax of `source`, and that it uses no variable but `declared`, no unknown filter or test, and no method.
pub fn check(source: &str, declared: &BTreeSet<&str>) -> Vec<Problem> {
    let engine = engine();
    if let Err(error) = engine.template_from_str(source) {
        return vec![syntax_problem(source, &error)];
    }
    match minijinja::machinery::parse(source, "message", engine.syntax().clone()) {
        Ok(tree) => scope::check(&tree, source, declared, &engine),
        Err(error) => vec![syntax_problem(source, &error)],
    }
}

fn syntax_problem(source: &str, error: &minijinja::Error) -> Problem {
    let at_line = || {
        let line = u32::try_from(error.line()?).ok()?;
        Some(Position { line, column: 1 })
    };
    let position = error
        .range()
        .map(|range| position(source, range.start))
        .or_else(at_line);
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Problem { position, message }
}

/// The line and column of the byte at `offset`.
fn position(source: &str, offset: usize) -> Position {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    Position {
        line: count(before.matches('\n').count()),
        column: count(before[line_start..].chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str) -> Vec<(u32, u32, String)> {
        let declared = BTreeSet::from(["name", "items"]);
        let place = |problem: Problem| {
            let position = problem.position.unwrap();
            (position.line, position.column, problem.message)
        };
        check(source, &declared).into_iter().map(place).collect()
    }

    #[test]
    fn good_templates_pass() {
        for source in [
            "",
            "plain text with { braces } and % signs",
            "Hello {{ name }}",
            "{% for item in items %}{{ loop.index }}: {{ item.title | upper }}{% else %}none{% endfor %}",
            "{% for a, b in items %}{{ a }}{{ b }}{% endfor %}",
            "{% set x = name %}{{ x }}",
            "{% if name %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}",
            "{% with y = name %}{{ y }}{% endwith %}",
            "{% macro greet(who, greeting='Hi') %}{{ greeting }} {{ who }}{% endmacro %}{{ greet(name) }}",
            "{% set ns = namespace(found=false) %}{% set ns.found = true %}{{ ns.found }}",
            "{{ range(3) | join(',') }} {{ dict(a=1) }} {{ name is defined }} {{ name is not none }}",
            "{{ items[1:2] }} {{ items['a'] }} {{ loop_name if false else name }}"
                .replace("loop_name", "name")
                .as_str(),
            "{% raw %}{{ undeclared }}{% endraw %}{# {{ undeclared }} #}",
            "{% filter upper %}{{ name }}{% endfilter %}",
            "{% set block %}{{ name }}{% endset %}{{ block }}",
            "{% for item in items %}{{ loop.cycle('odd', 'even') }}{% endfor %}",
        ] {
            assert_eq!(problems(source), [], "{source}");
        }
    }

    #[test]
    fn syntax_errors_carry_line_and_column() {
        let found = problems("first\nsecond {{ name");
        assert_eq!((found[0].0, found.len()), (2, 1), "{found:?}");
        let found = problems("äö {% if name %}");
        assert_eq!(found.len(), 1, "{found:?}");
        let found = problems("{{ name | }}");
        assert_eq!((found[0].0, found[0].1), (1, 11), "{found:?}");
    }

    #[test]
    fn undeclared_variables_are_found_wherever_they_stand() {
        for (source, line, column) in [
            ("{{ who }}", 1, 4),
            ("äö\n  {{ name ~ who }}", 2, 13),
            ("{{ who[1:2] }}", 1, 4),
            ("{{ items[who] }}", 1, 10),
            ("{% set who = who %}", 1, 14),
            ("{% for who in who %}{% endfor %}", 1, 15),
            ("{% for item in items %}{% endfor %}{{ who }}", 1, 39),
            ("{% for item in items if who %}{% endfor %}", 1, 25),
            ("{% with who = who %}{% endwith %}", 1, 15),
            ("{% macro m(a=who) %}{% endmacro %}", 1, 14),
            ("{{ name | default(who) }}", 1, 19),
            ("{% filter default(who) %}{% endfilter %}", 1, 19),
            ("{{ {'a': who} }}", 1, 10),
            ("{{ who.title }}", 1, 4),
            ("{{ name is eq(who) }}", 1, 15),
            ("{{ 1 if who else 2 }}", 1, 9),
            ("{% if name %}{% elif who %}{% endif %}", 1, 22),
        ] {
            let found = problems(source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert_eq!((found[0].0, found[0].1), (line, column), "{source}: {found:?}");
            assert_eq!(found[0].2, "variable `who` is not declared in variables", "{source}");
        }
    }

    #[test]
    fn a_variable_that_is_used_twice_is_reported_once() {
        assert_eq!(problems("{{ who }} {{ who }} {{ other }}").len(), 2);
    }

    #[test]
    fn unknown_filters_tests_and_methods_are_refused() {
        assert_eq!(
            problems("{{ name | shout }}"),
            [(1, 11, "there is no filter `shout`".to_owned())]
        );
        assert_eq!(
            problems("{{ name is loud }}"),
            [(1, 12, "there is no test `loud`".to_owned())]
        );
        let expected = "values have no methods such as `upper()`; use a filter, for instance `| upper`";
        assert_eq!(problems("{{ name.upper() }}"), [(1, 4, expected.to_owned())]);
    }

    #[test]
    fn other_templates_cannot_be_named() {
        assert_eq!(problems("{% include 'x' %}").len(), 1);
        assert_eq!(problems("{% extends 'x' %}").len(), 1);
    }
}
