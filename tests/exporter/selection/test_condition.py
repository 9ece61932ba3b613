"""Conditions of --where are parsed as they are meant, and everything else is one clear error."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.condition import (
    Comparison,
    Condition,
    Exists,
    Joined,
    Not,
    Operator,
    Reference,
    Value,
    parse,
)


def compared(name: str, operator: Operator, text: str, statistic: str | None = None) -> Comparison:
    is_number = text[:1].isdigit() or text[:1] in "-."
    return Comparison(Reference(name, statistic), operator, Value(text, is_number))  # type: ignore[arg-type]  # one of four


A, B, C = compared("a", "=", "1"), compared("b", ">", "2"), compared("c", "<", "3")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("Args/lr < 0.1", compared("Args/lr", "<", "0.1")),
        ("Args/lr<1e-3", compared("Args/lr", "<", "1e-3")),
        ("Args/batch-size == 16", compared("Args/batch-size", "=", "16")),
        ("0.1 > Args/lr", compared("Args/lr", "<", "0.1")),
        ("'adam' = Args/optim", compared("Args/optim", "=", "adam")),
        ("Args/optim <> adam", compared("Args/optim", "!=", "adam")),
        ("Args/optim = 'it''s and'", compared("Args/optim", "=", "it's and")),
        ('"Args/my ""x"" (y)" >= -2', compared('Args/my "x" (y)', ">=", "-2")),
        ('Args/x = "a b"', compared("Args/x", "=", "a b")),
        ("last(loss/train) <= .5", compared("loss/train", "<=", ".5", "last")),
        ('max ( "top 1/val" ) > 0.9', compared("top 1/val", ">", "0.9", "max")),
        ("last > 1", compared("last", ">", "1")),
        (":monitor:gpu/gpu_0 > 1", compared(":monitor:gpu/gpu_0", ">", "1")),
        ("été/é > 1", compared("été/é", ">", "1")),
        ("a = 1 and b > 2 or c < 3", Joined("or", (Joined("and", (A, B)), C))),
        ("a = 1 AND (b > 2 Or c < 3)", Joined("and", (A, Joined("or", (B, C))))),
        ("not a = 1 and b > 2", Joined("and", (Not(A), B))),
        ("not (a = 1 and b > 2)", Not(Joined("and", (A, B)))),
        ("((a=1))", A),
        ("0 < x <= 5", Joined("and", (compared("x", ">", "0"), compared("x", "<=", "5")))),
        ("a in (1)", Joined("or", (A,))),
        ("a not in (1, 'x')", Not(Joined("or", (A, compared("a", "=", "x"))))),
        ("a is null", Not(Exists(Reference("a")))),
        ("max(a) is not null", Exists(Reference("a", "max"))),
    ],
)
def test_conditions(text: str, condition: Condition) -> None:
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected the name of a hyperparameter or metric at character 1, but it ends"),
        ("Args/lr", "expected a comparison such as `<` at character 8, but it ends"),
        ("Args/lr <", "expected a number or a text at character 10, but it ends"),
        ("< 3", "expected the name of a hyperparameter or metric at character 1, but there is '<'"),
        ("batch size > 3", "but there is 'size'"),
        ("a > 1 b > 2", "expected the end, `and` or `or` at character 7, but there is 'b'"),
        ("(a > 1", "expected `)` at character 7, but it ends"),
        ("a > 1)", "expected the end, `and` or `or` at character 6, but there is ')'"),
        ("a in 3", "expected `(` at character 6"),
        ("a in (3", "expected `,` or `)`"),
        ("a not > 3", "expected `in` at character 7"),
        ("a is 3", "expected `null` at character 6"),
        ("a > and", "expected a number or a text at character 5, but there is 'and'"),
        ("max(a > 3", "expected `)`"),
        ("a = 'x", 'cannot read "\'x"; is a quote not closed?'),
        ("a ! 3", "cannot read '! 3'"),
        ("1 > 2", ""),
        ("(" * 60 + "a > 1" + ")" * 60, "more than 50 brackets or `not` are inside each other"),
        ("not " * 60 + "a > 1", "more than 50 brackets"),
        ("a = " + "1" * 10_000, "it has more than 10,000 characters"),
    ],
)
def test_what_is_not_a_condition(text: str, complaint: str) -> None:
    if not complaint:
        assert parse(text) == compared("2", "<", "1")  # a hyperparameter may be named 2
        return
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value).startswith("`where` ")
    assert complaint in str(caught.value)


names = st.text(min_size=1, max_size=20)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda x: f"{x:f}")
references = st.builds(Reference, names, st.sampled_from([None, "best", "last", "max", "min"]))
values = st.builds(Value, st.text(max_size=20), st.just(False)) | st.builds(
    Value,
    numbers,
    st.just(True),
)
leaves = st.builds(
    Comparison, references, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values
) | st.builds(Exists, references)
conditions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(
            Joined,
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3).map(tuple),
        )
    ),
    max_leaves=6,
)


def written(condition: Condition) -> str:
    """Write a condition with every bracket and every quote that it may have."""
    if isinstance(condition, Joined):
        return "(" + f") {condition.word} (".join(map(written, condition.conditions)) + ")"
    if isinstance(condition, Not):
        return f"not ({written(condition.condition)})"
    name = '"' + condition.reference.name.replace('"', '""') + '"'
    reference = name if (s := condition.reference.statistic) is None else f"{s}({name})"
    if isinstance(condition, Exists):
        return f"{reference} is not null"
    text = condition.value.text
    value = text if condition.value.is_number else "'" + text.replace("'", "''") + "'"
    return f"{reference} {condition.operator} {value}"


@given(conditions)
def test_any_names_and_texts_are_read_as_they_were_written(condition: Condition) -> None:
    assert parse(written(condition)) == condition


@given(st.text(alphabet="ab1./'\"()<>=! \nandornot", max_size=40))
def test_any_text_is_a_condition_or_one_line(text: str) -> None:
    with suppress(UsageError):
        parse(text)
