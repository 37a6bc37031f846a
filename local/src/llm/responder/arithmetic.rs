//! Exact sums: rational numbers, `+ - * / ^`, brackets, and the words for them.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A fraction in lowest terms, its denominator above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ratio {
    top: i128,
    bottom: i128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Number(Ratio),
    Sign(char),
}

/// Phrases, and what they mean. Longer ones come first.
const PHRASES: [(&str, &str); 12] = [
    ("to the power of", "^"),
    ("multiplied by", "*"),
    ("divided by", "/"),
    ("percent of", "% of"),
    ("% of", "% *"),
    ("plus", "+"),
    ("minus", "-"),
    ("times", "*"),
    ("×", "*"),
    ("÷", "/"),
    ("−", "-"),
    (" x ", " * "),
];

/// What may stand before a sum.
const OPENINGS: [&str; 10] =
    ["what is", "what's", "whats", "how much is", "calculate", "compute", "solve", "please", "hello", "and"];

/// The answer, if the question is a sum.
pub(super) fn answer(question: &str) -> Option<String> {
    let asked = asked(question);
    let mut sum = asked.to_lowercase();
    for (phrase, sign) in PHRASES {
        sum = sum.replace(phrase, sign);
    }
    let tokens = tokens(&sum)?;
    let signs = tokens.iter().filter(|token| matches!(token, Token::Sign(sign) if "+-*/^%".contains(*sign))).count();
    let numbers = tokens.len() - tokens.iter().filter(|token| matches!(token, Token::Sign(_))).count();
    if signs == 0 || numbers < 2 {
        return None;
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0 };
    let value = parser.sum()?;
    parser.tokens.peek().is_none().then(|| format!("{asked} = {}", value.show()))
}

/// The question without what stands around the sum. A whole question is a sum or not: in "open 9-5?" there is none.
fn asked(question: &str) -> &str {
    let mut rest = question.trim().trim_end_matches(['?', '=', '.', '!', ' ']);
    loop {
        let opening = OPENINGS.iter().find_map(|opening| {
            let (head, tail) = rest.split_at_checked(opening.len())?;
            (head.eq_ignore_ascii_case(opening) && tail.starts_with([' ', ',', ':'])).then_some(tail)
        });
        match opening {
            Some(tail) => rest = tail.trim_start_matches([' ', ',', ':']),
            None => return rest,
        }
    }
}

fn tokens(sum: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut characters = sum.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_whitespace() {
            continue;
        }
        if !character.is_ascii_digit() {
            "+-*/^%()".contains(character).then(|| tokens.push(Token::Sign(character)))?;
            continue;
        }
        let mut number = character.to_string();
        while let Some(next) = characters.next_if(|next| next.is_ascii_digit() || matches!(next, '.' | ',')) {
            number.push(next);
        }
        tokens.push(Token::Number(Ratio::read(&number.replace(',', ""))?));
    }
    Some(tokens)
}

/// Precedence climbing over the tokens.
struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn sign(&mut self, wanted: &str) -> Option<char> {
        let token = self.tokens.next_if(|token| matches!(token, Token::Sign(sign) if wanted.contains(*sign)))?;
        if let Token::Sign(sign) = token { Some(sign) } else { None }
    }

    fn sum(&mut self) -> Option<Ratio> {
        let mut value = self.product()?;
        while let Some(sign) = self.sign("+-") {
            let right = self.product()?;
            value = value.plus(if sign == '+' { right } else { right.negated()? })?;
        }
        Some(value)
    }

    fn product(&mut self) -> Option<Ratio> {
        let mut value = self.power()?;
        while let Some(sign) = self.sign("*/") {
            let right = self.power()?;
            value = value.times(if sign == '*' { right } else { right.inverse()? })?;
        }
        Some(value)
    }

    fn power(&mut self) -> Option<Ratio> {
        if self.sign("-").is_some() {
            // A row of signs is one call each; nobody means a hundred of them.
            return self.deeper(|parser| parser.power()?.negated());
        }
        let base = self.atom()?;
        if self.sign("^").is_none() {
            return Some(base);
        }
        let exponent = self.deeper(Self::power)?;
        base.to_the(exponent)
    }

    fn atom(&mut self) -> Option<Ratio> {
        let mut value = match self.tokens.next()? {
            Token::Number(number) => number,
            Token::Sign('(') => {
                let value = self.deeper(Self::sum)?;
                self.sign(")")?;
                value
            }
            Token::Sign(_) => return None,
        };
        while self.sign("%").is_some() {
            value = value.times(Ratio { top: 1, bottom: 100 })?;
        }
        Some(value)
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Option<Ratio>) -> Option<Ratio> {
        self.depth += 1;
        let value = if self.depth > 32 { None } else { read(self) };
        self.depth -= 1;
        value
    }
}

impl Ratio {
    fn new(top: i128, bottom: i128) -> Option<Self> {
        if bottom == 0 {
            return None;
        }
        let shared = i128::try_from(gcd(top.unsigned_abs(), bottom.unsigned_abs())).ok()?;
        let sign = bottom.signum();
        Some(Self {
            top: top.checked_div(shared)?.checked_mul(sign)?,
            bottom: bottom.checked_div(shared)?.checked_mul(sign)?,
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let bottom = 10_i128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
        Self::new(format!("{whole}{decimals}").parse().ok()?, bottom)
    }

    fn plus(self, other: Self) -> Option<Self> {
        let left = self.top.checked_mul(other.bottom)?;
        let right = other.top.checked_mul(self.bottom)?;
        Self::new(left.checked_add(right)?, self.bottom.checked_mul(other.bottom)?)
    }

    fn times(self, other: Self) -> Option<Self> {
        Self::new(self.top.checked_mul(other.top)?, self.bottom.checked_mul(other.bottom)?)
    }

    fn negated(self) -> Option<Self> {
        Some(Self { top: self.top.checked_neg()?, ..self })
    }

    fn inverse(self) -> Option<Self> {
        Self::new(self.bottom, self.top)
    }

    fn to_the(self, exponent: Self) -> Option<Self> {
        let whole = (exponent.bottom == 1).then_some(exponent.top)?;
        let times = u32::try_from(whole.unsigned_abs()).ok().filter(|times| *times <= 128)?;
        let power = Self::new(self.top.checked_pow(times)?, self.bottom.checked_pow(times)?)?;
        if whole < 0 { power.inverse() } else { Some(power) }
    }

    /// A decimal where one is exact and short, a fraction otherwise.
    fn show(self) -> String {
        let Self { top, bottom } = self;
        if bottom == 1 {
            return top.to_string();
        }
        for places in 1..=6_u32 {
            let scale = 10_i128.pow(places);
            if let Some(scaled) = top.checked_mul(scale)
                && scaled % bottom == 0
            {
                let scaled = scaled / bottom;
                let sign = if scaled < 0 { "-" } else { "" };
                let (whole, rest) =
                    (scaled.unsigned_abs() / scale.unsigned_abs(), scaled.unsigned_abs() % scale.unsigned_abs());
                return format!("{sign}{whole}.{rest:0width$}", width = places as usize);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "said to be about right")]
        let about = top as f64 / bottom as f64;
        format!("{top}/{bottom} (about {about:.6})")
    }
}

fn gcd(left: u128, right: u128) -> u128 {
    if right == 0 { left.max(1) } else { gcd(right, left % right) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_are_exact() {
        let result = |question| answer(question).and_then(|text| Some(text.split_once(" = ")?.1.to_owned()));
        let cases = [
            ("What is 2+2?", "4"),
            ("1/2 + 1/3", "5/6 (about 0.833333)"),
            ("15% of 80", "12"),
            ("0.1 + 0.2 =", "0.3"),
            ("what's (3 - 5) * 2^10", "-2048"),
            ("How much is 12 times 12 minus 4?", "140"),
            ("1,000 divided by 8", "125"),
            ("-1/4", "-0.25"),
            ("2^-2", "0.25"),
        ];
        for (question, expected) in cases {
            assert_eq!(result(question).as_deref(), Some(expected), "{question}");
        }
    }

    #[test]
    fn what_is_no_sum_is_left_alone() {
        for question in
            ["Are you open 9-5?", "1/0", "7", "", "+1 (415) 555 0142", "2^9999", "call 555-0142", "((((", "9**9"]
        {
            assert_eq!(answer(question), None, "{question}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(question in "[0-9+*/^%(). -]{0,60}|\\PC{0,60}") {
            let _ = answer(&question);
        }

        #[test]
        fn integers_add_up(left in -1_000_000_i64..1_000_000, right in 0_i64..1_000_000) {
            prop_assert_eq!(answer(&format!("{left} + {right}")).unwrap(), format!("{left} + {right} = {}", left + right));
        }
    }
}
