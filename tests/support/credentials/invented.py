"""Invented credentials, and parameters that are not credentials."""

import json
import random
import string

LETTERS = string.ascii_letters + string.digits


def made(length: int, alphabet: str = LETTERS, seed: int = 7) -> str:
    """Make a key that no scanner can find in this file."""
    return "".join(random.Random(seed + length).choices(alphabet, k=length))


HEX32, HEX40 = made(32, "0123456789abcdef"), made(40, "0123456789abcdef")
UPPER20 = made(20, string.ascii_uppercase + string.digits)
UPPER30 = made(30, string.ascii_uppercase + string.digits)
MIXED43, MIXED50 = made(43), made(50)

INNOCENT = {
    # Hugging Face TrainingArguments, generation and tokenizer settings
    "output_dir": "/home/me/runs/llama-7b-sft/checkpoint-12000",
    "per_device_train_batch_size": "8",
    "learning_rate": "5e-05",
    "adam_beta2": "0.999",
    "lr_scheduler_type": "SchedulerType.COSINE",
    "logging_dir": "runs/Nov22_20-18-54_gpu-node-17",
    "hub_token": "<HUB_TOKEN>",
    "push_to_hub_token": "<PUSH_TO_HUB_TOKEN>",
    "use_auth_token": "True",
    "hub_model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "label_names": "['input_ids', 'attention_mask']",
    "fsdp_config": "{'min_num_params': 0, 'xla': False, 'xla_fsdp_v2': False}",
    "deepspeed": "ds_config_zero3.json",
    "max_tokens": "4096",
    "max_new_tokens": "256",
    "num_tokens": "15000000000000",
    "min_tokens_to_keep": "1",
    "tokens_per_second": "18234.5",
    "token_dim": "768",
    "tokenizer": "Qwen/Qwen2.5-Coder-32B-Instruct-GPTQ-Int4",
    "tokenizer_name": "bert-base-uncased",
    "pad_token": "<pad>",
    "unk_token": "[UNK]",
    "eos_token": "<|endoftext|>",
    "bos_token": "</s>",
    "eos_token_id": "50256",
    "mask_token": "mask",
    "sep_token": "\\n###\\n",
    "additional_special_tokens": "['<image>', '<|im_start|>', '<|im_end|>']",
    "stop_tokens": "END_OF_TEXT",
    "decoder_start_token_id": "2",
    "token": "cls",
    "token_type": "char_level_v2",
    "token_pooling": "mean",
    "image_token": "<image>",
    "class_token": "True",
    # attention, keys that are not credentials
    "key_dim": "64",
    "num_keys": "128",
    "keys": "['obs', 'action', 'reward']",
    "image_keys": "('camera_front', 'camera_left_v2')",
    "monkey": "patch",
    "keyboard_layout": "dvorak",
    "primary_key": "sample_id",
    "sort_key": "length",
    "metric_key_prefix": "eval",
    "monitor_key": "val/MulticlassF1Score_macro_top5",
    "model_key": "EfficientNetV2S_ImageNet21k_FT1k",
    "author": "Ada Lovelace",
    "authors": "A. Turing, G. Hopper",
    "password_strength_loss": "0.25",
    "secret_santa_dataset": "s3://bucket/datasets/secret-santa/v12",
    "secret_sharing_scheme": "shamir_3_of_5",
    "passes": "3",
    "n_pass": "2",
    "forward_pass": "fused_bf16",
    "max_password_length": "10000",
    "password_file": "/run/secrets/db",
    "api_key_env": "OPENAI_API_KEY",
    "api_key": "OPENAI_API_KEY",
    "openai_api_key": "EMPTY",
    "wandb_api_key": "${oc.env:WANDB_API_KEY}",
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/keys/service.json",
    "credentials": "None",
    "secret": "None",
    "auth": "None",
    "connection_string": "sqlite:///runs.db",
    # Hydra
    "hydra.run.dir": "outputs/${now:%Y-%m-%d}/${now:%H-%M-%S}",
    "hydra.job.override_dirname": "lr=0.1,model=resnet50,seed=3",
    "model._target_": "src.models.mnist_module.MNISTLitModule",
    "hydra.sweeper.params": "{'optimizer.lr': 'choice(0.1,0.01)', 'seed': 'range(5)'}",
    "overrides": "['+trainer.max_epochs=10', 'data.batch_size=64', '~callbacks.early_stopping']",
    # PyTorch Lightning
    "trainer.strategy": "ddp_find_unused_parameters_false",
    "trainer.precision": "16-mixed",
    "ckpt_path": "lightning_logs/version_3/checkpoints/epoch=19-step=18760.ckpt",
    "callbacks.model_checkpoint.filename": "{epoch:02d}-{val_loss:.4f}",
    "trainer.devices": "[0, 1, 2, 3]",
    "check_val_every_n_epoch": "1",
    "gradient_clip_val": "1.0",
    # YOLO
    "model": "yolov8x-seg.pt",
    "data": "coco128.yaml",
    "imgsz": "640",
    "hsv_h": "0.015",
    "mosaic": "1.0",
    "close_mosaic": "10",
    "auto_augment": "randaugment",
    "tracker": "botsort.yaml",
    "save_dir": "runs/detect/train17",
    # hashes, ids, long values
    "git_commit": HEX40,
    "parent_task": HEX32,
    "dataset_hash": made(64, "0123456789abcdef"),
    "dataset_id": "0b6f9a54-6f5f-4a0e-9b5a-2f8f6b0f3f11",
    "dataset_md5": HEX32.upper(),
    "image": "docker://ubuntu:22.04@sha256:" + made(64, "0123456789abcdef"),
    "docker_image": "nvcr.io/nvidia/pytorch:24.05-py3",
    "checkpoint": "gs://bucket-7/Exp_2024-05-01T12:30:59Z/ckpt_best_F1-0.9123.pth",
    "run_name": "20240501:Large-ViT-H14-CLIP-378-lr1e4-wd005-bs4096",
    "layers": str(list(range(0, 4096, 7))),
    "betas": ",".join(f"{i / 7:.17g}" for i in range(200)),
    "host": "http://localhost:8080/path@v2",
    "endpoint": "https://api.example.com/v1/models?limit=10&order=desc",
    "contact": "mailto:me@example.com",
    "config": json.dumps({"lr": 1e-3, "max_tokens": 512, "pad_token": "<pad>", "key_dim": 64}),
    "prompt": "Basic training: the bearer of the token is asked to pass it on. Key: attention.",
    "sampler_key": "[0, 42]",
    "rng_key": "4294967295",
    "unit": "tokens/s",
    "dog_breed": "AKCDogBreeds120",
    "site": "APARTMENTS2020",
    "pipeline": "sk-learn-gradient-boosting-classifier-baseline",
    "timestamp": "2026-11-22T20:18:54.123456Z",
}
