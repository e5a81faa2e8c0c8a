//! Full-text search in the transcripts of ended sessions: an FTS5 table of folded lines. In scripts that write words
//! without spaces, each letter is a token, and a word is searched as a sequence of tokens.

use platform::text::fold::{MOST_WORDS, composed, fold, fold_into, stands_alone};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

/// How many characters an excerpt shows before a match.
const CONTEXT: usize = 48;
/// The longest excerpt, in characters.
const LONGEST: usize = 140;

/// A line with a match.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Found {
    /// Its session.
    pub session: String,
    /// The time of the line, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The name of its author.
    pub who: String,
    /// The line as it was written.
    pub shown: String,
}

/// Adds a line.
pub async fn insert(db: &impl ConnectionTrait, session: &str, at: i64, who: &str, shown: &str) -> Result<(), DbErr> {
    let sql = "INSERT INTO transcript_fts (session, at, who, shown, text) VALUES (?, ?, ?, ?, ?)";
    let values: [Value; 5] = [session.into(), at.into(), who.into(), shown.into(), searchable(shown).into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.map(|_| ())
}

/// A line, folded and tokenised for the search.
pub(crate) fn searchable(shown: &str) -> String {
    tokenised(&fold(shown))
}

/// Removes a session's lines.
pub async fn remove(db: &impl ConnectionTrait, session: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM transcript_fts WHERE session = ?";
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, [session.into()])).await.map(|_| ())
}

/// A search query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    words: Vec<String>,
}

impl Search {
    /// Splits what was typed into words; `None` if there are none.
    pub fn new(typed: &str) -> Option<Self> {
        let folded = fold(typed);
        let bare = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric() && !SIGNS.contains(c)).to_owned();
        // A word of signs alone is searched literally.
        let words =
            folded.split_whitespace().map(|w| Some(bare(w)).filter(|b| !b.is_empty()).unwrap_or_else(|| w.into()));
        let words: Vec<String> = words.take(MOST_WORDS).collect();
        (!words.is_empty()).then_some(Self { words })
    }

    /// The lines that contain all words, the newest first, of sessions that `visible` selects.
    pub async fn find(&self, db: &impl ConnectionTrait, visible: &Statement, most: u64) -> Result<Vec<Found>, DbErr> {
        let mut sql = "SELECT session, at, who, shown FROM transcript_fts WHERE ".to_owned();
        let mut values: Vec<Value> = Vec::new();
        let query = self.fts_query();
        if !query.is_empty() {
            sql.push_str("transcript_fts MATCH ? AND ");
            values.push(query.into());
        }
        for word in self.words.iter().filter(|w| w.contains(|c: char| !c.is_alphanumeric())) {
            sql.push_str("instr(text, ?) > 0 AND ");
            values.push(tokenised(word).into());
        }
        sql.push_str(&format!("session IN ({}) ORDER BY at DESC LIMIT ?", visible.sql));
        values.extend(visible.values.iter().flat_map(|v| v.0.clone()));
        values.push(most.into());
        Found::find_by_statement(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).all(db).await
    }

    /// The FTS5 query: all words, each as a prefix.
    fn fts_query(&self) -> String {
        let words = self.words.iter().filter(|w| w.contains(char::is_alphanumeric));
        let words = words.map(|w| format!("\"{}\"*", tokenised(w).replace('"', " ")));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The part of a line around the first match. Matches are enclosed in U+0001 and U+0002.
    pub fn excerpt(&self, shown: &str) -> String {
        let shown: Vec<char> = composed(shown).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut folded: Vec<char> = Vec::with_capacity(shown.len());
        let mut origin: Vec<usize> = Vec::with_capacity(shown.len());
        let mut one = String::new();
        for (at, c) in shown.iter().enumerate() {
            one.clear();
            fold_into(*c, &mut one);
            folded.extend(one.chars());
            origin.resize(folded.len(), at);
        }
        let mut marked = vec![false; shown.len()];
        for word in &self.words {
            let word: Vec<char> = word.chars().collect();
            for at in positions(&folded, &word) {
                marked[origin[at]..=origin[at + word.len() - 1]].fill(true);
            }
        }
        let first = marked.iter().position(|m| *m).unwrap_or(0);
        let from = first.saturating_sub(CONTEXT);
        let until = shown.len().min(from + LONGEST);
        let mut out = String::new();
        if from > 0 {
            out.push('…');
        }
        for at in from..until {
            if marked[at] && (at == from || !marked[at - 1]) {
                out.push('\u{1}');
            }
            out.push(shown[at]);
            if marked[at] && (at + 1 == until || !marked[at + 1]) {
                out.push('\u{2}');
            }
        }
        if until < shown.len() {
            out.push('…');
        }
        out
    }
}

/// Signs that are kept at the ends of words.
const SIGNS: &str = "%_+#@&$€§=~*";

/// The positions at which a word begins in a folded line.
fn positions<'a>(line: &'a [char], word: &'a [char]) -> impl Iterator<Item = usize> + 'a {
    let begins = |at: usize| {
        let before = at.checked_sub(1).map(|n| line[n]);
        before.is_none_or(|b| !b.is_alphanumeric() || stands_alone(b))
            || stands_alone(line[at])
            || !line[at].is_alphanumeric()
    };
    (0..(line.len() + 1).saturating_sub(word.len())).filter(move |at| line[*at..].starts_with(word) && begins(*at))
}

/// Separates letters that are tokens of their own by spaces.
fn tokenised(folded: &str) -> String {
    let mut out = String::with_capacity(folded.len());
    let mut before = None;
    for c in folded.chars() {
        let joint = stands_alone(c) || before.is_some_and(stands_alone);
        if joint && before.is_some_and(|b: char| b != ' ') && c != ' ' {
            out.push(' ');
        }
        out.push(c);
        before = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use sea_orm::DatabaseConnection;

    use super::*;
    use crate::migrations;

    async fn table(lines: &[&str]) -> DatabaseConnection {
        let db = migrations::in_memory().await;
        db.execute_unprepared("CREATE TABLE known (session)").await.unwrap();
        for (n, line) in lines.iter().enumerate() {
            insert(&db, &n.to_string(), 0, "Ada", line).await.unwrap();
            db.execute_unprepared(&format!("INSERT INTO known VALUES ('{n}')")).await.unwrap();
        }
        db
    }

    async fn found(db: &DatabaseConnection, typed: &str) -> Vec<String> {
        let visible = Statement::from_string(db.get_database_backend(), "SELECT session FROM known");
        let Some(search) = Search::new(typed) else { return Vec::new() };
        search.find(db, &visible, 100).await.unwrap().into_iter().map(|f| f.shown).collect()
    }

    #[tokio::test]
    async fn lines_are_found_in_every_script() {
        const LINES: [&str; 9] = [
            "请重启打印机谢谢",
            "プリンターが動きません",
            "무선프린터를 껐어요",
            "เครื่องพิมพ์ไม่ทำงาน",
            "Der Drucker im Büro ÖZGÜR, Straße 5",
            "It is at 50% now",
            "The file is a_b.txt",
            "PC打印机 in room 7",
            "I learn C++ here",
        ];
        let db = table(&LINES).await;
        for (typed, lines) in [
            ("打印机", &[0, 7][..]),
            ("打印", &[0, 7]),
            ("机", &[0, 7]),
            ("印打", &[]),
            ("请 谢谢", &[0]),
            ("リンター", &[1]),
            ("프린터", &[2]),
            ("พิมพ์", &[3]),
            ("özgür", &[4]),
            ("OZGUR buro", &[4]),
            ("strasse", &[4]),
            ("druck", &[4]),
            ("rucker", &[]),
            ("%", &[5]),
            ("50%", &[5]),
            ("51%", &[]),
            ("_", &[6]),
            ("a_b", &[6]),
            ("pc打印", &[7]),
            ("c++", &[8]),
            ("\"learn\" NEAR(", &[]),
            ("\"learn\" (here)", &[8]),
            ("* ^ -", &[]),
        ] {
            let mut said = found(&db, typed).await;
            said.sort_unstable();
            let mut expected: Vec<_> = lines.iter().map(|n| LINES[*n].to_owned()).collect();
            expected.sort_unstable();
            assert_eq!(said, expected, "{typed}");
        }
        assert_eq!(Search::new("  "), None);
    }

    #[tokio::test]
    async fn only_visible_lines_are_found_and_removed_ones_are_not() {
        let db = table(&["one printer", "two printers"]).await;
        db.execute_unprepared("DELETE FROM known WHERE session = '0'").await.unwrap();
        assert_eq!(found(&db, "printer").await, ["two printers"]);
        remove(&db, "1").await.unwrap();
        assert_eq!(found(&db, "printer").await, [""; 0]);
    }

    #[test]
    fn an_excerpt_marks_the_matches() {
        let excerpt = |typed: &str, line: &str| Search::new(typed).unwrap().excerpt(line);
        assert_eq!(excerpt("打印机", "请重启打印机谢谢"), "请重启\u{1}打印机\u{2}谢谢");
        assert_eq!(excerpt("strass burO", "Die Straße im Büro"), "Die \u{1}Straß\u{2}e im \u{1}Büro\u{2}");
        assert_eq!(excerpt("print", "sprint print\u{1}er"), "sprint \u{1}print\u{2} er");
        let long = format!("{} printer {}", "a ".repeat(100), "b ".repeat(100));
        let part = excerpt("printer", &long);
        assert!(part.starts_with('…') && part.contains("\u{1}printer\u{2} b") && part.ends_with('…'), "{part}");
        assert!(part.chars().count() <= LONGEST + 4);
    }

    proptest::proptest! {
        #[test]
        fn any_line_has_an_excerpt(typed in ".{0,20}", line in ".{0,200}") {
            if let Some(search) = Search::new(&typed) {
                let part = search.excerpt(&line);
                proptest::prop_assert!(part.chars().count() <= LONGEST * 3 + 2);
            }
        }
    }
}
