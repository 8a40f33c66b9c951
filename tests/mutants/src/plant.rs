//! A file with its places behind switches.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proc_macro2::{LineColumn, Span};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::place::{Place, Position};

/// What is left out, since the compiler refused it.
#[derive(Debug, Default)]
pub struct Refused {
    /// Places, by id.
    pub places: BTreeSet<usize>,
    /// Functions that must stay constant, so that nothing in them can be switched.
    pub constant: BTreeSet<String>,
}

/// A file that was rewritten, and where in it each place stands.
pub struct Planted {
    pub text: String,
    pub stands: Vec<(Range<usize>, usize)>,
}

/// A piece of the text that is written anew.
struct Site {
    range: Range<usize>,
    /// Where two begin and end alike: which is the outer one.
    inner: u8,
    kind: Kind,
}

enum Kind {
    /// An operator and its operands, with what may take its place.
    Binary { left: Range<usize>, right: Range<usize>, others: Vec<(usize, String)> },
    /// An operator that may be missing.
    Unary { operand: Range<usize>, id: usize },
    /// The condition of an arm: the arm may be missing, the condition true or false.
    Guard { gone: Option<usize>, yes: Option<usize>, no: Option<usize> },
    /// The arm has no condition of its own.
    NewGuard { id: usize },
    /// The function may return this at once.
    Return { id: usize, value: String },
    /// `const` of a function: a switch is not constant.
    Const,
}

/// Puts the places of a file into its text; those that do not stand where one can be put are
/// refused.
pub fn plant(text: &str, places: &[&Place], refused: &mut Refused) -> Planted {
    let lines = Lines::of(text);
    let mut open: BTreeMap<Position, Vec<&Place>> = BTreeMap::new();
    for place in places.iter().filter(|place| !refused.places.contains(&place.id)) {
        open.entry(place.start).or_default().push(place);
    }
    let file = syn::parse_file(text).expect("a file that compiles");
    let mut finder = Finder { lines: &lines, text, open, sites: Vec::new(), refused };
    finder.visit_file(&file);
    let Finder { open, mut sites, refused, .. } = finder;
    for place in open.into_values().flatten() {
        if place.genre == "FnValue" {
            let at = lines.offset(place.start);
            sites.push(Site {
                range: at..at,
                inner: 0,
                kind: Kind::Return { id: place.id, value: place.replacement.clone() },
            });
        } else {
            refused.places.insert(place.id);
        }
    }
    // Functions that stay constant hold nothing that is switched: their places were taken out
    // above. What is put in front of something comes before it; then the outer before the inner.
    sites.sort_by_key(|site| (site.range.start, !site.range.is_empty(), std::cmp::Reverse(site.range.end), site.inner));
    let mut planted = Planted { text: String::new(), stands: Vec::new() };
    render(text, &sites, 0..text.len(), &mut 0, &mut planted);
    // One that was not written would count as missed.
    let stands: BTreeSet<usize> = planted.stands.iter().map(|(_, id)| *id).collect();
    refused.places.extend(places.iter().map(|place| place.id).filter(|id| !stands.contains(id)));
    planted
}

/// Writes a range of the text with the sites from `next` on that stand in it.
fn render(text: &str, sites: &[Site], range: Range<usize>, next: &mut usize, out: &mut Planted) {
    let mut at = range.start;
    while let Some(site) = sites.get(*next).filter(|site| site.range.end <= range.end && site.range.start >= at) {
        *next += 1;
        out.text.push_str(&text[at..site.range.start]);
        at = site.range.end;
        let stand = |out: &mut Planted, id: usize, piece: &str| {
            let start = out.text.len();
            out.text.push_str(piece);
            out.stands.push((start..out.text.len(), id));
        };
        match &site.kind {
            Kind::Binary { left, right, others } => {
                out.text.push('(');
                for (id, operator) in others {
                    let (left, right) = (&text[left.clone()], &text[right.clone()]);
                    stand(out, *id, &format!("if crate::switched({id}) {{ {left} {operator} {right} }} else "));
                }
                out.text.push_str("{ ");
                render(text, sites, left.clone(), next, out);
                out.text.push_str(&text[left.end..right.start]);
                render(text, sites, right.clone(), next, out);
                out.text.push_str(" })");
            }
            Kind::Unary { operand, id } => {
                stand(out, *id, &format!("(if crate::switched({id}) {{ {} }} else {{ ", &text[operand.clone()]));
                out.text.push_str(&text[site.range.start..operand.start]);
                render(text, sites, operand.clone(), next, out);
                out.text.push_str(" })");
            }
            Kind::Guard { gone, yes, no } => {
                let start = out.text.len();
                for (id, words) in [
                    (gone, "!crate::switched(ID) && "),
                    (yes, "(crate::switched(ID) || "),
                    (no, "!crate::switched(ID) && "),
                ] {
                    match id {
                        Some(id) => stand(out, *id, &words.replace("ID", &id.to_string())),
                        None if words.starts_with('(') => out.text.push('('),
                        None => {}
                    }
                }
                out.text.push('(');
                render(text, sites, site.range.clone(), next, out);
                out.text.push_str("))");
                // Where the compiler minds, it may name any part of the condition.
                let end = out.text.len();
                out.stands.extend([gone, yes, no].into_iter().flatten().map(|&id| (start..end, id)));
            }
            Kind::NewGuard { id } => stand(out, *id, &format!(" if !crate::switched({id})")),
            Kind::Return { id, value } => {
                stand(out, *id, &format!("if crate::switched({id}) {{ return {value}; }} "));
            }
            Kind::Const => {}
        }
    }
    out.text.push_str(&text[at..range.end]);
}

/// Offsets of positions.
struct Lines {
    starts: Vec<usize>,
    text: String,
}

impl Lines {
    fn of(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { starts, text: text.to_string() }
    }

    fn offset(&self, (line, column): Position) -> usize {
        let start = self.starts[line - 1];
        let mut letters = self.text[start..].char_indices();
        letters.nth(column - 1).map_or(self.text.len(), |(at, _)| start + at)
    }

    fn at(&self, position: LineColumn) -> usize {
        self.offset(of(position))
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.at(span.start())..self.at(span.end())
    }
}

/// As cargo-mutants counts.
fn of(position: LineColumn) -> Position {
    (position.line, position.column + 1)
}

/// Finds what stands at the places.
struct Finder<'f> {
    lines: &'f Lines,
    text: &'f str,
    /// The places that are not found yet.
    open: BTreeMap<Position, Vec<&'f Place>>,
    sites: Vec<Site>,
    refused: &'f mut Refused,
}

impl<'f> Finder<'f> {
    /// The places of a kind that begin here.
    fn take(&mut self, span: Span, genre: &str) -> Vec<&'f Place> {
        let Some(here) = self.open.get_mut(&of(span.start())) else { return Vec::new() };
        let (taken, left) = here.drain(..).partition(|place| place.genre == genre);
        *here = left;
        taken
    }

    fn refuse_in(&mut self, block: &syn::Block, which: impl Fn(&Place) -> bool) {
        let (start, end) = (of(block.span().start()), of(block.span().end()));
        for (_, places) in self.open.range_mut(start..end) {
            self.refused.places.extend(places.iter().filter(|place| which(place)).map(|place| place.id));
            places.retain(|place| !which(place));
        }
    }

    /// A function: whether it may be switched.
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if matches!(&signature.output, syn::ReturnType::Type(_, kind) if matches!(**kind, syn::Type::ImplTrait(_))) {
            // All that it returns must be of one type.
            self.refuse_in(block, |place| place.genre == "FnValue");
        }
        let Some(constant) = signature.constness else { return };
        if self.refused.constant.contains(&signature.ident.to_string()) {
            return self.refuse_in(block, |_| true);
        }
        let range = self.lines.range(constant.span);
        let blank = range.end + self.text[range.end..].chars().take_while(|c| c.is_whitespace()).count();
        self.sites.push(Site { range: range.start..blank, inner: 0, kind: Kind::Const });
    }
}

impl<'f> Visit<'f> for Finder<'f> {
    fn visit_item_fn(&mut self, item: &'f syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'f syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'f syn::ExprBinary) {
        let taken = self.take(expr.op.span(), "BinaryOperator");
        if !taken.is_empty() {
            let others = taken.iter().map(|place| (place.id, place.replacement.clone())).collect();
            let (left, right) = (self.lines.range(expr.left.span()), self.lines.range(expr.right.span()));
            let range = left.start..right.end;
            self.sites.push(Site { range, inner: 2, kind: Kind::Binary { left, right, others } });
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'f syn::ExprUnary) {
        for place in self.take(expr.op.span(), "UnaryOperator") {
            let operand = self.lines.range(expr.expr.span());
            let range = self.lines.range(expr.op.span()).start..operand.end;
            self.sites.push(Site { range, inner: 3, kind: Kind::Unary { operand, id: place.id } });
        }
        visit::visit_expr_unary(self, expr);
    }

    fn visit_arm(&mut self, arm: &'f syn::Arm) {
        let gone = self.take(arm.span(), "MatchArm").first().map(|place| place.id);
        match &arm.guard {
            Some((_, guard)) => {
                let by = self.take(guard.span(), "MatchArmGuard");
                let which = |value: &str| by.iter().find(|place| place.replacement == value).map(|place| place.id);
                let (yes, no) = (which("true"), which("false"));
                if matches!(**guard, syn::Expr::Let(_)) {
                    self.refused.places.extend([gone, yes, no].into_iter().flatten());
                } else if gone.or(yes).or(no).is_some() {
                    let range = self.lines.range(guard.span());
                    self.sites.push(Site { range, inner: 0, kind: Kind::Guard { gone, yes, no } });
                }
            }
            None => {
                if let Some(id) = gone {
                    let at = self.lines.range(arm.pat.span()).end;
                    self.sites.push(Site { range: at..at, inner: 0, kind: Kind::NewGuard { id } });
                }
            }
        }
        visit::visit_arm(self, arm);
    }
}
