//! Converts an HTML mail to text: table cells, list items and links stay separate, quotes are marked, and invisible
//! elements are left out.

use mail_parser::decoders::html::html_to_text;

/// The deepest nesting of lists, quotes and links that is tracked.
const DEEPEST: usize = 20;
/// The longest text that is produced, in bytes. The rest is only in the original.
const MOST_TEXT: usize = 256 * 1_024;
/// How much of a link's text is compared with its URL, in bytes.
const MOST_LINK_TEXT: usize = 2_000;

/// The text of an HTML document.
pub fn text(html: &str) -> String {
    let mut page = Page::default();
    let mut rest = html;
    while let Some(at) = rest.find('<')
        && page.bytes < MOST_TEXT
    {
        page.text(&rest[..at]);
        let Some((tag, after)) = tag(&rest[at..]) else {
            page.text("<");
            rest = &rest[at + 1..];
            continue;
        };
        rest = after;
        let Some(tag) = tag else { continue };
        if !tag.closes && UNSEEN.contains(&tag.name.as_str()) {
            rest = past(rest, &tag.name);
            continue;
        }
        if tag.closes { page.close(&tag.name) } else { page.open(&tag) }
    }
    page.text(rest);
    page.done()
}

/// Elements whose content is not shown.
const UNSEEN: [&str; 7] = ["head", "style", "script", "title", "template", "noscript", "svg"];
/// Elements that start a new line.
const BLOCKS: [&str; 21] = [
    "p",
    "div",
    "table",
    "tr",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "hr",
    "section",
    "article",
    "dl",
    "dt",
    "dd",
];
/// Elements with a blank line before and after them.
const PARAGRAPHS: [&str; 11] = ["p", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "pre"];

struct Tag {
    name: String,
    closes: bool,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Parses the tag at the start. Returns it (no tag for a comment) and what follows it; `None` if the `<` is literal.
fn tag(html: &str) -> Option<(Option<Tag>, &str)> {
    if let Some(comment) = html.strip_prefix("<!--") {
        return Some((None, comment.split_once("-->").map_or("", |(_, after)| after)));
    }
    let inner = &html[1..];
    if inner.starts_with(['!', '?']) {
        return Some((None, inner.split_once('>').map_or("", |(_, after)| after)));
    }
    let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != ':' && c != '-').unwrap_or(inner.len());
    let name = inner[..end].to_ascii_lowercase();
    let (attributes, after) = attributes(&inner[end..]);
    Some((Some(Tag { name, closes, attributes }), after))
}

/// Parses the attributes up to the end of the tag. Returns them and what follows the tag.
fn attributes(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        if rest.is_empty() {
            return (found, "");
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c)).unwrap_or(rest.len());
        // Skip a character that cannot start a name.
        let end = if end == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { end };
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = attribute_value(after.trim_start());
        }
        if found.len() < 50 {
            found.push((name, entities(value)));
        }
    }
}

fn attribute_value(rest: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    rest.split_at(rest.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(rest.len()))
}

/// What follows the closing tag of this element.
fn past<'a>(html: &'a str, name: &str) -> &'a str {
    let mut rest = html;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            return rest.split_once('>').map_or("", |(_, after)| after);
        }
    }
    ""
}

/// Decodes character references.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(after.len());
        rest = after;
        match after[end..].strip_prefix(';') {
            Some(behind) if (1..=32).contains(&end) => {
                let whole = format!("&{};", &after[..end]);
                // The reference of XML that HTML's table may lack.
                let read = if whole == "&apos;" { "'".into() } else { html_to_text(&whole) };
                out.push_str(&read);
                rest = behind;
            }
            _ => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

/// The text so far, and the open elements.
#[derive(Default)]
struct Page {
    done: Vec<String>,
    bytes: usize,
    line: String,
    /// Whether a space must precede the next word.
    blank: bool,
    pre: usize,
    quotes: usize,
    /// The open lists, with the next number of numbered ones.
    lists: Vec<Option<u64>>,
    /// The open links: URL and text.
    links: Vec<(String, String)>,
    /// The open elements that are hidden.
    hidden: Vec<String>,
}

impl Page {
    fn text(&mut self, text: &str) {
        if !self.hidden.is_empty() || text.is_empty() {
            return;
        }
        let text = entities(text);
        if self.pre > 0 {
            let mut lines = text.split('\n');
            self.line.push_str(lines.next().unwrap_or_default().trim_end_matches('\r'));
            for line in lines {
                self.end_line();
                self.line.push_str(line.trim_end_matches('\r'));
            }
        } else {
            for c in text.chars() {
                if matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}') {
                    self.blank = true;
                } else if !matches!(c, '\u{200b}' | '\u{feff}' | '\u{ad}') {
                    self.put(c);
                }
            }
        }
        for (_, link_text) in &mut self.links {
            if link_text.len() < MOST_LINK_TEXT {
                link_text.push_str(&text);
            }
        }
    }

    fn put(&mut self, c: char) {
        if std::mem::take(&mut self.blank) && !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
        self.line.push(c);
    }

    fn write(&mut self, text: &str) {
        text.chars().for_each(|c| self.put(c));
    }

    fn end_line(&mut self) {
        self.blank = false;
        let line = std::mem::take(&mut self.line);
        let line = line.trim_end();
        let empty = self.done.last().is_none_or(|l| l.trim_start_matches(['>', ' ']).is_empty());
        if line.is_empty() && empty {
            return;
        }
        self.bytes += line.len() + 2 * self.quotes;
        let mark = "> ".repeat(self.quotes);
        self.done.push(format!("{mark}{line}").trim_end().to_owned());
    }

    /// Starts a new line, unless one has just begun.
    fn start_line(&mut self) {
        if !self.line.trim().is_empty() {
            self.end_line();
        }
        self.line.clear();
        self.blank = false;
    }

    fn paragraph(&mut self) {
        self.start_line();
        if self.lists.is_empty() {
            self.end_line();
        }
    }

    fn open(&mut self, tag: &Tag) {
        let name = tag.name.as_str();
        let unseen = tag.get("style").is_some_and(hides) || tag.get("hidden").is_some();
        let holds = !matches!(name, "br" | "hr" | "img" | "input" | "meta" | "link" | "col" | "wbr" | "area" | "base");
        if (unseen || self.hidden.iter().any(|h| h == name)) && holds {
            if self.hidden.len() < DEEPEST {
                self.hidden.push(name.to_owned());
            }
            return;
        }
        if !self.hidden.is_empty() || unseen {
            return;
        }
        if PARAGRAPHS.contains(&name) {
            self.paragraph();
        } else if BLOCKS.contains(&name) {
            self.start_line();
        }
        match name {
            "br" => self.break_line(),
            "hr" => {
                self.write("---");
                self.start_line();
            }
            "td" | "th" if !self.line.trim().is_empty() => {
                self.blank = false;
                self.line.truncate(self.line.trim_end().len());
                self.line.push_str(" | ");
            }
            "ul" if self.lists.len() < DEEPEST => self.lists.push(None),
            "ol" if self.lists.len() < DEEPEST => {
                self.lists.push(Some(tag.get("start").and_then(|s| s.parse().ok()).unwrap_or(1)));
            }
            "li" => {
                let indent = "  ".repeat(self.lists.len().saturating_sub(1));
                let mark = match self.lists.last_mut() {
                    Some(Some(n)) => {
                        *n = n.saturating_add(1);
                        format!("{}. ", *n - 1)
                    }
                    Some(None) | None => "- ".to_owned(),
                };
                self.line = format!("{indent}{mark}");
            }
            "pre" => self.pre += 1,
            "blockquote" if self.quotes < DEEPEST => {
                self.paragraph();
                self.quotes += 1;
            }
            "a" if self.links.len() < DEEPEST => {
                self.links.push((tag.get("href").unwrap_or_default().trim().to_owned(), String::new()));
            }
            "img" => {
                if let Some(alt) = tag.get("alt").map(str::trim).filter(|alt| !alt.is_empty()) {
                    self.write(&format!("[{alt}]"));
                }
            }
            _ => {}
        }
    }

    /// Ends the line at a `<br>`, even if it is empty.
    fn break_line(&mut self) {
        if self.line.trim().is_empty() && self.done.last().is_some_and(|l| !l.is_empty()) && self.lists.is_empty() {
            self.done.push(">".repeat(self.quotes));
            self.line.clear();
        } else {
            self.end_line();
        }
    }

    fn close(&mut self, name: &str) {
        if !self.hidden.is_empty() {
            if let Some(at) = self.hidden.iter().rposition(|h| h == name) {
                self.hidden.truncate(at);
            }
            return;
        }
        match name {
            "a" => {
                if let Some((to, text)) = self.links.pop() {
                    self.link(&to, &text);
                }
            }
            "ul" | "ol" => {
                self.start_line();
                self.lists.pop();
            }
            "pre" => {
                self.start_line();
                self.pre = self.pre.saturating_sub(1);
            }
            "blockquote" => {
                self.start_line();
                let empty = |line: &String| line.trim_matches(['>', ' ']).is_empty() && !line.is_empty();
                while self.done.last().is_some_and(empty) {
                    self.done.pop();
                }
                self.quotes = self.quotes.saturating_sub(1);
                self.paragraph();
            }
            _ => {}
        }
        if PARAGRAPHS.contains(&name) {
            self.paragraph();
        } else if BLOCKS.contains(&name) {
            self.start_line();
        }
    }

    /// Writes the URL of a link after its text, unless they are the same.
    fn link(&mut self, to: &str, text: &str) {
        let lower = to.to_ascii_lowercase();
        let goes = ["https://", "http://", "mailto:", "tel:", "ftp://"].iter().any(|s| lower.starts_with(s));
        let plain: String = to.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        let text = text.trim();
        let same = |a: &str, b: &str| a.trim_end_matches('/').eq_ignore_ascii_case(b.trim_end_matches('/'));
        let bare = plain.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches('/'));
        if goes && !same(text, &plain) && !same(text, bare) {
            self.blank = true;
            self.write(&format!("<{plain}>"));
        }
    }

    fn done(mut self) -> String {
        self.end_line();
        self.done.join("\n").trim_matches('\n').to_owned()
    }
}

/// Whether a style makes something invisible.
fn hides(style: &str) -> bool {
    let style: String = style.to_ascii_lowercase().split_whitespace().collect();
    style.contains("display:none") || style.contains("visibility:hidden")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn html_becomes_text() {
        let table = [
            (
                "<p>Hello,</p><table><tr><td>Host</td><td>PC-1</td></tr><tr><td>IP</td><td>192.0.2.7</td></tr></table>",
                "Hello,\n\nHost | PC-1\nIP | 192.0.2.7",
            ),
            ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
            ("<ol start=3><li>a<ul><li>b</ul><li>c</ol>x", "3. a\n  - b\n4. c\n\nx"),
            (
                "see <a href=\"https://a.example/x?b=1&amp;c=2\">the <b>page</b></a>.",
                "see the page <https://a.example/x?b=1&c=2>.",
            ),
            ("<a href='https://a.example/'>https://a.example</a>", "https://a.example"),
            ("<a href=mailto:ann@b.example>ann@b.example</a>", "ann@b.example"),
            ("<a href=\"javascript:x()\">click</a>", "click"),
            ("5 &lt; 7 &amp; 3&nbsp;&euro; &#8217;x&#x27; &unknown; &", "5 < 7 & 3 € ’x' &unknown; &"),
            ("a<br>b<br/><br>c", "a\nb\n\nc"),
            ("<div>a</div><div>b</div>", "a\nb"),
            ("<pre>a  \n   b</pre>", "a\n   b"),
            ("Yes.<blockquote><p>Is it on?</p></blockquote>", "Yes.\n\n> Is it on?"),
            ("<style>p{}</style><script>x<y</script><!-- no -->a < b", "a < b"),
            ("<span style=\"display: none\">hidden <b>x</b></span>seen", "seen"),
            ("<img src=x alt=\"a plan\"><img src=y>", "[a plan]"),
            ("one\n   two", "one two"),
            ("<p>a", "a"),
            ("<", "<"),
            ("<a href=\"", ""),
        ];
        for (html, expected) in table {
            assert_eq!(text(html), expected, "{html}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_html_is_converted(html in "(<[a-z/!?-]{0,10}|>|[a-z=\"' &;#]{0,6}|<(/)?(p|li|ul|pre|a href=x|td|blockquote)>){0,60}") {
            proptest::prop_assert!(text(&html).len() < html.len() * 20 + 2_000);
        }

        #[test]
        fn table_cells_stay_separate(words in proptest::collection::vec("[a-z]{3,8}", 1..12)) {
            let cells: String = words.iter().map(|w| format!("<td>{w}</td>")).collect();
            let text = text(&format!("<table><tr>{cells}</tr></table>"));
            let found: Vec<&str> = text.split(" | ").collect();
            proptest::prop_assert_eq!(found, words);
        }
    }
}
