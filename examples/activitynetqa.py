"""The lists of ActivityNet-QA that the recipe `activitynetqa` reads, from the files of MILVLG/activitynet-qa (Apache-2.0).

    python examples/activitynetqa.py activitynet-qa/dataset lists    # lists/train.jsonl, test.jsonl, answers.txt

The classes are the answers that stand twice or more in the training questions: 1,654, as many as in the released LF-VILA code.
Its numbers of the classes are not public; here the commonest answer is 0. Training questions with another answer are left out.
Test questions with another answer stay, with null: no model can be right there.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any


def pairs(folder: Path, split: str) -> list[dict[str, Any]]:
    """The questions of a split with their answers in words."""
    answers = {row["question_id"]: row["answer"] for row in json.loads((folder / f"{split}_a.json").read_text())}
    questions = json.loads((folder / f"{split}_q.json").read_text())
    return [{**row, "answer": answers[row["question_id"]]} for row in questions]


def main(source: Path, target: Path) -> None:
    """Write the lists."""
    train, test = pairs(source, "train"), pairs(source, "test")
    counts = Counter(row["answer"] for row in train)
    classes = sorted((answer for answer, number in counts.items() if number > 1), key=lambda a: (-counts[a], a))
    number = {answer: n for n, answer in enumerate(classes)}
    target.mkdir(parents=True, exist_ok=True)
    (target / "answers.txt").write_text("".join(f"{answer}\n" for answer in classes))
    for split, rows in (("train", [row for row in train if row["answer"] in number]), ("test", test)):
        with (target / f"{split}.jsonl").open("w") as stream:
            for row in rows:
                name, answer = f"v_{row['video_name']}", number.get(row["answer"])  # named as in ActivityNet Captions
                stream.write(json.dumps({"video_name": name, "question": row["question"], "answer": answer}) + "\n")
        print(f"{split}.jsonl: {len(rows):,} questions")
    print(f"answers.txt: {len(classes):,} classes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
