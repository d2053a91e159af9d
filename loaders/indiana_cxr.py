"""Indiana University: frontal and lateral chest radiographs with reports, indexed with MeSH and RadLex terms.

indiana_reports.csv          # uid,MeSH,Problems,…: the findings of a report, joined by semicolons; heads hold commas
indiana_projections.csv      # uid,filename,projection (Frontal, Lateral)
images/images_normalized/1_IM-0001-4001.dcm.png      # may also lie in images/, images_normalized/ or files/
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Attributes, Example
from med_mat.raw import Miniature, RawFolder, joined, listed, lookup

_NO_FINDINGS = {"No Indexing", "Technical Quality of Image Unsatisfactory"}

_REPORTS = (  # every finding of the published table
    "normal",
    "normal",
    "No Indexing",
    "Technical Quality of Image Unsatisfactory;No Indexing",
    "Lung;Catheters, Indwelling;Infiltrate;Tube, Inserted;Heart;Cavitation;Heart Ventricles;Colonic Interposition",
    "Opacity;Density;Cardiac Shadow;Lucency;Volume Loss;Cysts;Pectus Carinatum;Expansile Bone Lesions",
    "Cardiomegaly;Deformity;Thickening;Mediastinum;Heart Failure;Hyperostosis, Diffuse Idiopathic Skeletal;"
    "Pleura;Fibrosis",
    "Pulmonary Atelectasis;Granulomatous Disease;Granuloma;Pneumothorax;Shift;Adipose Tissue;Sarcoidosis;"
    "Hemopneumothorax;No Indexing",
    "Calcinosis;Nodule;Pulmonary Disease, Chronic Obstructive;Spinal Fusion;Sclerosis;Aortic Aneurysm;Abdomen;"
    "Hemothorax",
    "Calcified Granuloma;Surgical Instruments;Hernia, Hiatal;Medical Device;Hypertension, Pulmonary;"
    "Bullous Emphysema;Cervical Vertebrae;Hypovolemia",
    "Thoracic Vertebrae;Scoliosis;Pulmonary Edema;Lung, Hyperlucent;Nipple Shadow;Cystic Fibrosis;"
    "Hernia, Diaphragmatic;Lymph nodes",
    "Cicatrix;Aorta, Thoracic;Pneumonia;Pulmonary Fibrosis;Sutures;Dislocations;Humerus;Osteoporosis",
    "Spine;Fractures, Bone;Pulmonary Emphysema;Stents;Blister;Funnel Chest;Lymph Nodes;Subcutaneous  Emphysema",
    "Markings;Costophrenic Angle;Diaphragmatic Eventration;Mass;Mastectomy;Heart Atria;Subcutaneous Emphysema;"
    "Thoracic vertebrae;Mediastinal Emphysema",
    "Aorta;Osteophyte;Arthritis;Shoulder;Pericardial Effusion;Hydropneumothorax;Tuberculosis;Thorax",
    "Pleural Effusion;Pulmonary Congestion;Kyphosis;Epicardial Fat;Pneumonectomy;Pneumoperitoneum;"
    "Blood Vessels;Trachea",
    "Diaphragm;Implanted Medical Device;Bone Diseases, Metabolic;Lung Diseases, Interstitial;Sulcus;Ribs;"
    "Bronchiolitis;Trachea, Carina",
    "Atherosclerosis;Spondylosis;Consolidation;Pulmonary Artery;Breast Implants;Bone and Bones;Bronchitis",
    "Airspace Disease;Emphysema;Foreign Bodies;Lumbar Vertebrae;Bronchiectasis;Contrast Media;Cholelithiasis",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    reports = lookup(raw, "indiana_reports.csv", "uid", "Problems")
    # a head that no report names at all is unknown, not absent
    heads = dict.fromkeys(word.strip() for problems in reports.values() for word in problems.split(";"))
    vocabulary = [head for head in heads if head and head not in _NO_FINDINGS]
    images = raw.by_name("{images/images_normalized,images,images_normalized,files}/*.dcm.png")
    for row, image in listed(raw, "indiana_projections.csv", images, "filename", columns=["uid"]):
        problems = reports.get(row["uid"])
        if problems is None:
            raw.skip(image, f"indiana_reports.csv has no findings of its report, uid {row['uid']}")
            continue
        labels = {head: there for head, there in joined(problems, ";", vocabulary).items() if head not in _NO_FINDINGS}
        if not any(labels.values()):
            raw.skip(image, f"its report was not indexed: {problems}")
            continue
        stated = Attributes.of(view=row.get("projection"))
        yield Example(image, labels=labels, patient=row["uid"], raw_label=problems, key=image.name, attributes=stated)


def miniature(raw: Miniature) -> None:
    reports: list[tuple[object, ...]] = []
    views: list[tuple[object, ...]] = []
    for uid, problems in enumerate(_REPORTS, 1):
        mesh = problems.replace("Lung;", "Lung/hypoinflation;")
        reports.append(
            (uid, mesh, problems, "Xray Chest PA and Lateral", "Chest pain", "None.", "XXXX, clear.\nStable.", "")
        )
        for number, projection in ((4001, "Frontal"), (3001, "Lateral"))[: 1 + uid % 2]:
            name = f"{uid}_IM-{uid:04d}-{number}.dcm.png"
            raw.image(f"images/images_normalized/{name}", size=(80, 96), mode="RGB" if uid % 5 == 0 else "L")
            views.append((uid, name, projection))
    raw.corrupt("images/images_normalized/1_IM-0001-3001.dcm.png")
    raw.image("images/images_normalized/900_IM-0900-1001.dcm.png", size=(80, 96))  # in no table
    reports.append((901, "normal", "normal", "Xray Chest", "", "", "", ""))  # no image
    header = ["uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"]
    raw.csv("indiana_reports.csv", reports, header=header)
    raw.csv("indiana_projections.csv", views, header="uid,filename,projection")
