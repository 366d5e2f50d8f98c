// How the search of the book ranks what it finds; Sphinx joins this to its own script.
// A place within a page that has the name that was typed comes before whole pages.
var Scorer = {
  score: ([, title, anchor, , score]) =>
    anchor && title.includes(" > ") ? score + 50 : score,
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
