from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from recbole.utils.argument_list import training_arguments

from recbole_xlrec.bridge import registry
from recbole_xlrec.bridge.config import XLConfig, known_keys, whole_eval_args
from recbole_xlrec.bridge.registry import JOINT_YAML, MODELS, OVERALL_YAML, PROPERTIES, model_yaml
from recbole_xlrec.data.yaml_files import parse_value, read_yaml
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.launcher import parse
from recbole_xlrec.model.bert.options import Attack, Augmentation, Reading, Tuning
from recbole_xlrec.text.catalogue import EncoderOptions


def _config(model: str = "XLEASE", files: list[Path] | None = None, **overrides: Any) -> XLConfig:
    return XLConfig(model, "toy", files, overrides)


def _file(text: str, name: str = "my.yaml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


# --- keys, models and values that are not known ---------------------------------------------------------------------


def test_an_unknown_key_is_refused_with_the_nearest_known_and_its_place() -> None:
    with pytest.raises(ConfigError, match=r"overrides: unknown key 'lerning_rate'\. Did you mean 'learning_rate'\?"):
        _config(lerning_rate=0.1)
    with pytest.raises(ConfigError, match=r"my\.yaml: unknown key 'TOPKS'\. Did you mean 'topk'\? unknown key 'zzz'\."):
        _config(files=[_file("TOPKS: [5]\nzzz: 1\n")])


def test_every_key_of_recboles_own_files_is_known() -> None:
    import recbole

    files = Path(recbole.__file__).parent.joinpath("properties").rglob("*.yaml")
    declared = {key for path in files if path.stem not in ("url", "kg_url") for key in read_yaml(path)}
    assert len(declared) > 200
    assert declared <= known_keys()


@pytest.mark.parametrize(
    "name, nearest",
    [("XLEAS", "'XLEASE' or 'EASE'"), ("bpr", "'BPR'"), ("sasrec", "'SASRec'"), ("LightGNN", "'LightGCN'")],
)
def test_an_unknown_model_lists_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown model '{name}'. Did you mean .*{nearest}.*`recbole-xlrec models`"):
        _config(name)


def test_an_unknown_model_without_a_near_one_says_where_all_are_listed() -> None:
    with pytest.raises(ConfigError, match=r"unknown model 'zzzzz'\. `recbole-xlrec models` lists all"):
        _config("zzzzz")
    with pytest.raises(ConfigError, match="a model is given by its name"):
        XLConfig(None, "toy")
    with pytest.raises(ConfigError, match="a model is given by its name"):
        XLConfig(dict, "toy")  # type: ignore[arg-type]


def test_a_model_whose_package_is_missing_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightgbm", "xgboost"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("recbole.model.exlib_recommender")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"LightGBM needs a package that is missing. Type: pip install \w+"):
        _config("LightGBM")


def test_a_dataset_must_be_named() -> None:
    with pytest.raises(ConfigError, match="--dataset=<name>"):
        XLConfig("XLEASE")
    assert XLConfig(config_dict={"model": "XLEASE", "dataset": "toy"})["dataset"] == "toy"


@pytest.mark.parametrize(
    "key, value, choices",
    [
        ("protocol", "zero", "joint, single, zero_shot, few_shot, cold_item, bilingual"),
        ("protocol_by", "user", "users, items"),
        ("candidates", "languages", "all, language, cold"),
        ("whitening", "pcb", "none, mean, pca, zca, relaxed"),
        ("whitening", False, "none, mean, pca, zca, relaxed"),
        ("missing_text", "drop", "error, empty"),
        ("extra_vectors", "drop", "error, ignore"),
    ],
)
def test_an_unknown_value_is_refused_with_the_choices(key: str, value: Any, choices: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is one of {choices}; found {value!r}"):
        _config(**{key: value})


@pytest.mark.parametrize("key", ["save_dataset", "dataset_save_path", "save_dataloaders", "dataloaders_save_path"])
def test_keys_that_pickle_whole_objects_are_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: RecBole pickles whole objects"):
        _config("BPR", **{key: "saved/toy.pth"})


# --- languages ------------------------------------------------------------------------------------------------------


def test_the_language_of_a_protocol_is_brought_to_its_standard_form() -> None:
    assert _config(protocol="single", protocol_language="DE")["protocol_language"] == "de"
    assert _config(protocol="single", protocol_language="pt_br")["protocol_language"] == "pt-BR"


@pytest.mark.parametrize("text", ["protocol: single\nprotocol_language: no\n", "text_template: {no: '{title}'}\n"])
def test_an_unquoted_no_where_a_language_is_meant_is_refused_with_advice(text: str) -> None:
    key = text.split(":")[-2].split()[-1] if "protocol" in text else "text_template"
    with pytest.raises(ConfigError, match=rf"{key}: .*found the boolean False: YAML .* Quote it: .*'no'"):
        _config(files=[_file(text)])
    quoted = re.sub(r"\bno\b", "'no'", text)
    assert "no" in str(_config(files=[_file(quoted)])[key])


def test_an_unquoted_no_on_the_command_line_is_refused_too() -> None:
    _, settings = parse(["--protocol=single", "--protocol_language=no"])
    with pytest.raises(ConfigError, match=r"protocol_language: .*boolean"):
        _config(**settings)


@pytest.mark.parametrize("language, why", [(5, "must be a string"), ("english", "'en'"), ("UK", "market")])
def test_what_is_no_language_is_refused(language: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=f"protocol_language: .*{why}"):
        _config(protocol="single", protocol_language=language)


def test_templates_are_named_by_languages_in_standard_form_once_each() -> None:
    template = _config(text_template={"DE": "{title}", "default": "{title}. {genres}"})["text_template"]
    assert template == {"de": "{title}", "default": "{title}. {genres}"}
    with pytest.raises(ConfigError, match=r"text_template: .*twice"):
        _config(text_template={"DE": "{title}", "de": "{title}"})


# --- where values come from, and that they stay what they are -------------------------------------------------------


def test_the_arguments_of_the_host_program_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["host", "--learning_rate=0.5", "--model=Pop", "--dataset=ml-100k", "what"])
    config = _config("BPR")
    assert (config["model"], config["dataset"], config["learning_rate"]) == ("BPR", "toy", 0.001)


def test_no_string_is_evaluated(tmp_path: Path) -> None:
    code = "__import__('os').getcwd()"
    assert _config(encoder_prompt=code)["encoder_prompt"] == code
    assert _config(files=[_file(f'encoder_prompt: "{code}"\n')])["encoder_prompt"] == code
    _, settings = parse([f"--encoder_prompt={code}", "--encoder_prompt_name=1+1"])
    config = _config(**settings)
    assert (config["encoder_prompt"], config["encoder_prompt_name"]) == (code, "1+1")
    with pytest.raises(ConfigError, match="is no YAML"):
        parse_value(f"!!python/object/apply:os.mkdir ['{tmp_path / 'made'}']")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2.5e-1", -0.25),
        ("3", 3),
        ("0.5", 0.5),
        ("None", None),
        ("~", None),
        ("True", True),
        ("none", "none"),
        ("NoneSuch", "NoneSuch"),
        ("[5, 10]", [5, 10]),
        ("['NDCG','MRR']", ["NDCG", "MRR"]),
        ("{'distribution': None, 'sample_num': 1}", {"distribution": None, "sample_num": 1}),
        ("NDCG@10", "NDCG@10"),
        ("e5", "e5"),
    ],
)
def test_the_command_line_is_read_as_recbole_users_write_it(text: str, value: Any) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_none_on_the_command_line_turns_recboles_negative_samples_off() -> None:
    _, settings = parse(["--train_neg_sample_args=None"])
    assert _config("SASRec", **settings)["train_neg_sample_args"]["sample_num"] == "none"


def test_files_come_over_defaults_later_files_over_earlier_and_overrides_over_all() -> None:
    first, second = _file("seed: 1\ntopk: [1]\nreg_weight: 1\n", "a.yaml"), _file("seed: 2\ntopk: [2]\n", "b.yaml")
    config = _config(files=[first, second], seed=3)
    assert (config["seed"], config["topk"], config["reg_weight"]) == (3, [2], 1)
    assert config["lexical_weight"] == read_yaml(model_yaml("XLEASE"))["lexical_weight"]


def test_recboles_models_have_our_general_defaults_and_not_those_of_our_models() -> None:
    config = _config("BPR")
    assert (config["run_path"], config["candidates"]) == ("runs", "all")
    assert "lexical_weight" not in config


def test_a_setting_that_the_model_does_not_read_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    _config("XLProfile", lexical_weight=1.0, half_life=3)
    assert "XLProfile does not read lexical_weight" in caplog.text
    assert "half_life" not in caplog.text


def test_what_the_caller_gave_is_not_changed() -> None:
    given = {"train_neg_sample_args": {"distribution": "uniform"}, "eval_args": {"mode": "full"}}
    XLConfig("BPR", "toy", config_dict=given)
    assert given == {"train_neg_sample_args": {"distribution": "uniform"}, "eval_args": {"mode": "full"}}


# --- eval_args ------------------------------------------------------------------------------------------------------


def test_partial_eval_args_are_completed_from_the_familys_own() -> None:
    sequential = _config("SASRec", [_file("eval_args: {mode: uni100}\n")], train_neg_sample_args=None)["eval_args"]
    assert sequential == {
        "split": {"LS": "valid_and_test"},
        "order": "TO",
        "group_by": "user",
        "mode": {"valid": "uni100", "test": "uni100"},
    }
    general = _config("BPR", [_file("eval_args: {mode: uni100}\n")])["eval_args"]
    assert (general["split"], general["order"]) == ({"RS": [0.8, 0.1, 0.1]}, "RO")


def test_eval_args_of_several_files_and_overrides_add_up() -> None:
    files = [_file("eval_args: {order: TO}\n", "a.yaml"), _file("eval_args: {group_by: none}\n", "b.yaml")]
    found = _config("BPR", files, eval_args={"split": {"RS": [6, 2, 2]}})["eval_args"]
    assert (found["order"], found["group_by"], found["split"]) == ("TO", "none", {"RS": [6, 2, 2]})
    assert found["mode"] == {"valid": "full", "test": "full"}


def test_eval_args_that_recbole_does_not_know_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"split, order, group_by and mode, found \['modes'\]"):
        _config(eval_args={"modes": "full"})
    with pytest.raises(ConfigError, match="eval_args must be a mapping"):
        _config(eval_args="full")
    assert whole_eval_args([{"mode": "full"}, None, {"mode": "uni100"}]) == {"mode": "uni100"}


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_config_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no configuration file nowhere\.yaml"):
        _config(files=[Path("nowhere.yaml")])
    Path("folder.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.yaml is no YAML file"):
        _config(files=[Path("folder.yaml")])


@pytest.mark.parametrize(
    "text, why",
    [
        ("topk: [5\n", "is no YAML file"),
        ("a: b: c\n", "is no YAML file"),
        ("topk: !!python/name:os.system\n", "is no YAML file"),
        ("- topk\n- 5\n", "must hold `key: value` lines, found a list"),
        ("just words\n", "must hold `key: value` lines, found a str"),
        ("no\n", "must hold `key: value` lines, found a bool"),
    ],
)
def test_a_config_file_that_holds_no_settings_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"my\.yaml {re.escape(why)}"):
        _config(files=[_file(text)])


def test_a_config_file_in_another_encoding_is_refused_and_an_empty_one_is_fine() -> None:
    path = _file("")
    assert read_yaml(path) == {}
    path.write_bytes("encoder_prompt: Größe".encode("latin-1"))
    with pytest.raises(ConfigError, match="is no YAML file"):
        read_yaml(path)


# --- every declared key is read, every read key is declared ---------------------------------------------------------

_FILES = [OVERALL_YAML, JOINT_YAML, *(model_yaml(name) for name in MODELS)]


def _keys_in(source: str) -> tuple[set[str], set[str]]:
    """The keys that `config["key"]`, `settings["key"]` or `self.config["key"]` read, and those they set."""
    read: set[str] = set()
    written: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
            continue
        owner = getattr(node.value, "id", getattr(node.value, "attr", None))
        if owner in ("config", "settings") and isinstance(node.slice.value, str):
            (read if isinstance(node.ctx, ast.Load) else written).add(node.slice.value)
    return read, written


def _keys_of_package() -> tuple[set[str], set[str]]:
    found = [_keys_in(path.read_text(encoding="utf-8")) for path in registry.PACKAGE.rglob("*.py")]
    read, written = (set().union(*part) for part in zip(*found, strict=True))
    tables = (EncoderOptions, Reading, Tuning, Attack, Augmentation)
    return read | {key for table in tables for key in table._fields}, written


def test_the_search_for_keys_finds_what_it_must() -> None:
    source = 'a = config["x"]\nself.config["y"]["deep"]\nsettings["z"] = other["no"]\nconfig[name]\n'
    assert _keys_in(source) == ({"x", "y"}, {"z"})


def test_every_key_we_declare_is_read() -> None:
    declared = {key for path in _FILES for key in read_yaml(path)}
    read, _ = _keys_of_package()
    assert not declared - read - set(training_arguments)  # these RecBole reads


def test_every_key_we_read_is_declared_by_us_or_by_recbole() -> None:
    read, written = _keys_of_package()
    assert not read - known_keys() - written


def test_every_file_of_defaults_belongs_to_a_model_and_names_each_key_once() -> None:
    assert sorted(PROPERTIES.rglob("*.yaml")) == sorted(_FILES)
    general = set(read_yaml(OVERALL_YAML))
    for path in _FILES:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        keys = [line.split(":")[0] for line in lines]
        assert sorted(keys) == sorted(set(keys)), path
        assert path == OVERALL_YAML or general & set(keys) <= {"weight_average"}, path  # where the default is another
        undescribed = [line for line in lines if not re.fullmatch(r"\w+: \S.*# \([a-z].*\) [^ ].*\.", line)]
        assert not undescribed, path
