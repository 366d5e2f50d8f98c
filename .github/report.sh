#!/usr/bin/env bash
# Say in one issue how the weekly run went: report.sh true|false FOLDER-OF-LOGS
#
# A failure opens an issue, or adds to the one that is open; a run without one closes it.
# It needs gh, GH_TOKEN and the variables that GitHub gives to every run.
set -euo pipefail
failed=$1 logs=$2
label=weekly
run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"

open=$(gh issue list --label "$label" --state open --limit 1 --json number --jq '.[].number')
if [ "$failed" != true ]; then
  [ -z "$open" ] || gh issue close "$open" --comment "The weekly run is green again: $run"
  exit 0
fi

{
  echo "The weekly run failed: $run"
  echo
  for log in "$logs"/*/weekly.log; do
    [ -e "$log" ] || { echo "No job left a log; see the run."; break; }
    echo "The end of \`$(basename "$(dirname "$log")")\`:"
    echo
    # As a block indented by four: no text of a log can end it.
    tail -n 40 "$log" | sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' -e 's/^/    /' | cut -c1-300
    echo
  done
} > body.md

if [ -n "$open" ]; then
  gh issue comment "$open" --body-file body.md
else
  gh label create "$label" --description "found by the weekly run" --force
  gh issue create --label "$label" --title "The weekly run fails" --body-file body.md
fi
